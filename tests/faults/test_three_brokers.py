"""One of three brokers is lost under load and comes back: intake goes on all the time."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # it ships no types
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]  # it ships no types

from loadtests.story import CALM_SECONDS, suffer
from loadtests.verify import shown
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaCluster, KafkaServer
from ops.stack.redis import RedisServer
from streams.clock import monotonic_seconds
from tests.faults.outages import killed
from tests.faults.real_world import engines, real_world
from tests.faults.scale import RATE, SCALE
from tests.integration.product_world import pause, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.allows_errors,  # our own clients of a broker that is gone call that one
]

RECOVERED_SECONDS_MAX = 7.0
"""From the kill on: by then the other two have taken over what the lost one led."""
LOAD_SECONDS = CALM_SECONDS + SCALE.one_of_three_down + SCALE.coming_back
FULL_RATE_MIN = 0.9 * RATE


async def test_intake_goes_on_while_one_of_three_brokers_goes_and_comes_back(
    tmp_path: Path,
    own_cluster: KafkaCluster,
    cassandra_server: CassandraServer,
    redis_server: RedisServer,
) -> None:
    victim, other, _ = own_cluster.brokers
    async with real_world(tmp_path, engines(own_cluster, cassandra_server, redis_server)) as made:

        async def is_missed() -> bool:
            return (await lacking(other) or 0) > 0

        async def has_caught_up() -> bool:
            return await lacking(other) == 0

        async def goes_and_comes_back() -> None:
            began = monotonic_seconds()
            async with killed(victim):
                await pause(SCALE.one_of_three_down)
                await until(is_missed)
            usable = monotonic_seconds()
            await until(has_caught_up)
            now = monotonic_seconds()
            sys.stderr.write(f"\nin sync {now - usable:.1f} s after it was usable")
            sys.stderr.write(f", {now - began:.1f} s after the kill\n")

        story = await suffer(
            made,
            f"one of three brokers killed, back after {SCALE.one_of_three_down:g} s",
            goes_and_comes_back,
            seconds=LOAD_SECONDS,
            rate=RATE,
        )

    assert shown(story.wrong) == []
    assert story.is_within_load, "it came back when nothing came any more"
    assert set(story.load.offered.refused) <= {503}, "no connection of a channel breaks"
    assert story.longest_intake_pause_seconds < RECOVERED_SECONDS_MAX
    assert story.accepted_per_second(RECOVERED_SECONDS_MAX) > FULL_RATE_MIN


async def lacking(broker: KafkaServer) -> int | None:
    """Of how many partitions, of the cluster's own too, not every replica is in sync.

    None when the client asked one that is away: it takes any that it knows.
    """

    async def count(client: AIOKafkaAdminClient) -> int:
        topics = await client.describe_topics(await client.list_topics())
        partitions = [each for topic in topics for each in topic["partitions"]]
        return sum(len(each["isr"]) < len(each["replicas"]) for each in partitions)

    try:
        return await asyncio.to_thread(broker.ask, count)
    except (KafkaError, OSError, TimeoutError):
        return None
