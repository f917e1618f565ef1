"""The broker is killed and comes back; it is frozen and goes on; one of three is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loadtests.story import suffer
from loadtests.world import World
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaCluster, KafkaServer
from ops.stack.redis import RedisServer
from tests.faults.real_world import engines, probe, real_world
from tests.faults.scale import RATE, SCALE
from tests.integration.product_world import pause

pytestmark = [pytest.mark.integration, pytest.mark.no_cover, pytest.mark.timeout(400)]

AFTER_SECONDS = 6.0
"""The load goes on for so long after the outage."""
PROBE_AFTER_SECONDS = 3.0


async def is_refused_politely(made: World) -> None:
    """While there is no log, intake says when to come again, or takes its time."""
    status, headers = await probe(made)

    assert status in {0, 202, 503}, status
    if status == 503:
        assert int(headers["retry-after"]) >= 1


async def test_a_killed_and_a_frozen_broker_lose_nothing(
    tmp_path: Path,
    own_kafka: KafkaServer,
    cassandra_server: CassandraServer,
    redis_server: RedisServer,
) -> None:
    async with real_world(tmp_path, engines(own_kafka, cassandra_server, redis_server)) as made:

        async def is_killed() -> None:
            own_kafka.kill()
            await pause(PROBE_AFTER_SECONDS)
            await is_refused_politely(made)
            await pause(SCALE.broker_down - PROBE_AFTER_SECONDS)
            await asyncio.to_thread(own_kafka.start)
            await asyncio.to_thread(own_kafka.wait_usable)

        killed = await suffer(
            made,
            f"broker killed, back after {SCALE.broker_down:g} s",
            is_killed,
            seconds=SCALE.broker_down + AFTER_SECONDS,
            rate=RATE,
        )

        async def is_frozen() -> None:
            own_kafka.freeze()
            await pause(PROBE_AFTER_SECONDS)
            await is_refused_politely(made)
            await pause(SCALE.broker_frozen - PROBE_AFTER_SECONDS)
            own_kafka.thaw()

        frozen = await suffer(
            made,
            f"broker frozen for {SCALE.broker_frozen:g} s",
            is_frozen,
            seconds=SCALE.broker_frozen + AFTER_SECONDS,
            rate=RATE,
        )

    assert killed.wrong == []
    assert frozen.wrong == []


async def test_intake_goes_on_without_one_of_three_brokers(
    tmp_path: Path,
    own_cluster: KafkaCluster,
    cassandra_server: CassandraServer,
    redis_server: RedisServer,
) -> None:
    victim = own_cluster.brokers[0]
    async with real_world(tmp_path, engines(own_cluster, cassandra_server, redis_server)) as made:

        async def dies() -> None:
            await asyncio.to_thread(victim.kill)

        story = await suffer(made, "one of three brokers killed", dies, seconds=10.0, rate=RATE)

    assert story.wrong == []
    assert set(story.load.offered.refused) <= {503}, "no connection of a channel breaks"
