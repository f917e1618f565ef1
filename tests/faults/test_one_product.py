"""One product on real servers under 300 notices a second, while one thing after another breaks."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio

from loadtests.registering import in_the_log
from loadtests.story import suffer
from loadtests.verify import shown
from loadtests.world import World
from ops.demo_product import start
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaServer
from ops.stack.redis import RedisServer
from streams.clock import monotonic_seconds
from streams.topics import STAGES
from tests.faults.outages import frozen, killed
from tests.faults.real_world import engines, part, real_world
from tests.faults.scale import RATE, SCALE
from tests.integration.product_world import kill, pause
from tests.redis_servers import client_of

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.allows_errors,  # our own clients of a broker that is gone call that one
    pytest.mark.asyncio(loop_scope="module"),
]

FLUSHES = 3
"""Redis is emptied so often, once a second, before it goes away altogether."""
PAUSE_SECONDS_MAX = 5.0
"""What goes on without Cassandra and Redis paused for 0.8 s at most, and webhooks for 2.6 s where
other programs wanted the two cores on which Cassandra starts again."""
LATE_SECONDS_MAX = 10.0
"""A pause has no webhook at all; of one partition, or one merchant, this tells: 1 to 3.7 s."""
RECOVERY_SECONDS_MAX = 30.0
"""Intake goes on so long after the broker is there again, also on a busy machine."""
UNAVAILABLE = 503
NOBODY = 0
"""What counts as the status of a request whose connection broke."""
SEED = 20_261_124
LIVES_SECONDS = (0.1, SCALE.life_seconds_max)
"""A worker is killed so long after its start: while it recovers, rejoins, works."""
API_LIVES_SECONDS = (4.0, 8.0)
STOPPING_SECONDS = 6.0
STOP_SECONDS_MAX = 20.0
Outage = Callable[[KafkaServer], AbstractAsyncContextManager[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(
    tmp_path_factory: pytest.TempPathFactory,
    broker: KafkaServer,
    cassandra_server: CassandraServer,
    redis_server: RedisServer,
) -> AsyncIterator[World]:
    """The product, its merchants, and invoices for all that is to come."""
    folder = tmp_path_factory.mktemp("faults")
    async with real_world(folder, engines(broker, cassandra_server, redis_server)) as world:
        await in_the_log(world, int(RATE * SCALE.load_seconds))
        await world.quiet()
        yield world


async def without_the_broker(
    made: World, broker: KafkaServer, outage: Outage, what: str, seconds: float
) -> None:
    """The broker goes and comes back after so many seconds; what was accepted must be told."""

    async def is_away() -> None:
        async with outage(broker):
            await pause(seconds)

    story = await suffer(made, what, is_away, seconds=seconds + SCALE.after, rate=RATE)

    assert shown(story.wrong) == []
    assert story.load.offered.refused[UNAVAILABLE] > 0, "it is said when to come again"
    assert story.longest_intake_pause_seconds > seconds - 1, "nothing is accepted without a log"
    assert story.longest_intake_pause_seconds < seconds + RECOVERY_SECONDS_MAX


async def test_a_killed_broker_loses_nothing(made: World, broker: KafkaServer) -> None:
    what = f"broker killed, back after {SCALE.broker_down:g} s"
    await without_the_broker(made, broker, killed, what, SCALE.broker_down)


async def test_a_frozen_broker_loses_nothing(made: World, broker: KafkaServer) -> None:
    what = f"broker frozen for {SCALE.broker_frozen:g} s"
    await without_the_broker(made, broker, frozen, what, SCALE.broker_frozen)


async def test_without_cassandra_and_redis_merchants_are_told(
    made: World, cassandra_server: CassandraServer, redis_server: RedisServer
) -> None:
    """Intake, matching and webhooks go on, and history is whole later."""

    async def both_go_away() -> None:
        with client_of(redis_server) as client:
            for _ in range(FLUSHES):
                client.flushall()
                await pause(1)
        async with killed(cassandra_server), killed(redis_server):
            await pause(SCALE.sides_down)

    story = await suffer(
        made,
        f"Redis flushed, then Cassandra and Redis down for {SCALE.sides_down:g} s",
        both_go_away,
        seconds=SCALE.sides_down + FLUSHES + SCALE.after,
        rate=RATE,
    )

    assert shown(story.wrong) == []
    assert not story.load.offered.refused, "intake needs neither of them"
    assert story.longest_pause_within(FLUSHES) < PAUSE_SECONDS_MAX, "an empty Redis stops nothing"
    assert story.longest_pause_seconds < PAUSE_SECONDS_MAX
    assert story.longest_intake_pause_seconds < PAUSE_SECONDS_MAX
    assert story.late_seconds < LATE_SECONDS_MAX


async def test_workers_killed_again_and_again_lose_nothing(made: World) -> None:
    async def kills() -> None:
        killers = (kill_again_and_again(made, stage) for stage in STAGES)
        await asyncio.gather(kill_the_api(made), *killers)

    story = await suffer(
        made,
        f"kill -9 of each stage's worker {SCALE.kills} times, of the API {SCALE.api_kills} times",
        kills,
        seconds=SCALE.killing_seconds,
        rate=RATE,
    )

    assert shown(story.wrong) == []
    assert story.is_within_load, "some were killed when nothing came any more"
    assert story.load.offered.refused[NOBODY] > 0, "the API was killed while it was asked"


async def kill_the_api(made: World) -> None:
    """It lives long enough each time to take notices for workers that are killed."""
    for seconds in lives("api", SCALE.api_kills, API_LIVES_SECONDS):
        await pause(seconds)
        kill(await part(made, "api"))


async def kill_again_and_again(made: World, stage: str) -> None:
    before = 0
    for seconds in lives(stage, SCALE.kills, LIVES_SECONDS):
        before = await part(made, stage, other_than=before)
        await pause(seconds)
        kill(before)


def lives(name: str, count: int, bounds: tuple[float, float]) -> list[float]:
    """So long it lives each time, the same in every run."""
    chance = random.Random(f"{SEED} {name}")  # noqa: S311  # a seed makes the run the same again
    return [chance.uniform(*bounds) for _ in range(count)]


async def test_everything_ended_in_the_middle_of_the_load_loses_nothing(made: World) -> None:
    took: list[float] = []

    async def everything_ends() -> None:
        took.append(await end_and_begin(made))

    story = await suffer(
        made, "SIGTERM of everything", everything_ends, seconds=STOPPING_SECONDS, rate=RATE
    )

    sys.stderr.write(f"\nended in {took[0]:.1f} s\n")
    assert shown(story.wrong) == []
    assert took[0] < STOP_SECONDS_MAX


async def end_and_begin(made: World) -> float:
    """Stop the product in order, in the middle of its work, and start it again.

    Returns the seconds until it had ended.
    """
    product = made.product
    began = monotonic_seconds()
    try:
        assert await product.stop() == 0, product.log_tail()
        return monotonic_seconds() - began
    finally:
        made.product = await start(product.data, environment=product.environment, port=product.port)
        await made.product.wait_ready()
