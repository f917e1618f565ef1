"""Every stage's worker is killed, twenty times over, and everything is ended at once."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from loadtests.story import suffer
from loadtests.world import World
from ops.demo_product import start
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaServer
from ops.stack.redis import RedisServer
from streams.clock import monotonic_seconds
from streams.topics import STAGES
from tests.faults.real_world import engines, part, real_world
from tests.faults.scale import RATE, SCALE
from tests.integration.product_world import kill, pause

pytestmark = [pytest.mark.integration, pytest.mark.no_cover, pytest.mark.timeout(600)]

SEED = 20_261_124
STOP_SECONDS_MAX = 20.0
LIVES_SECONDS = (0.1, 6.0)
"""A worker is killed so long after its start: while it recovers, rejoins, works."""


async def kill_again_and_again(made: World, stage: str, chance: random.Random) -> None:
    before = 0
    for _ in range(SCALE.kills):
        before = await part(made, stage, other_than=before)
        await pause(chance.uniform(*LIVES_SECONDS))
        kill(before)


async def test_workers_killed_and_everything_ended_under_load_lose_nothing(
    tmp_path: Path,
    own_kafka: KafkaServer,
    cassandra_server: CassandraServer,
    redis_server: RedisServer,
) -> None:
    chance = random.Random(SEED)  # noqa: S311  # a seed makes the run the same again
    async with real_world(tmp_path, engines(own_kafka, cassandra_server, redis_server)) as made:

        async def kills() -> None:
            killers = (kill_again_and_again(made, stage, chance) for stage in STAGES)
            await asyncio.gather(*killers)

        killed = await suffer(
            made,
            f"kill -9 of each stage's worker, {SCALE.kills} times",
            kills,
            seconds=SCALE.killing_seconds,
            rate=RATE,
        )

        async def everything_ends() -> None:
            ended.append(await end_and_begin(made))

        ended: list[float] = []
        stopped = await suffer(
            made, "SIGTERM of everything", everything_ends, seconds=6.0, rate=RATE
        )

    assert killed.wrong == []
    assert stopped.wrong == []
    assert ended[0] < STOP_SECONDS_MAX


async def end_and_begin(made: World) -> float:
    """Stop the product in order, in the middle of its work, and start it again.

    Returns the seconds until it had ended.
    """
    product = made.product
    began = monotonic_seconds()
    assert await product.stop() == 0, product.log_tail()
    took = monotonic_seconds() - began
    made.product = await start(product.data, environment=product.environment, port=product.port)
    await made.product.wait_ready()
    return took
