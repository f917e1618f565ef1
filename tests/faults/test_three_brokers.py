"""One of three brokers is lost under load: intake goes on without it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loadtests.story import CALM_SECONDS, suffer
from loadtests.verify import shown
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaCluster
from ops.stack.redis import RedisServer
from tests.faults.real_world import engines, real_world
from tests.faults.scale import RATE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.allows_errors,  # our own clients of a broker that is gone call that one
]

RECOVERED_SECONDS_MAX = 7.0
"""From the kill on: by then the other two have taken over what the lost one led."""
FULL_SECONDS = 3.0
LOAD_SECONDS = CALM_SECONDS + RECOVERED_SECONDS_MAX + FULL_SECONDS
FULL_RATE_MIN = 0.9 * RATE


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

        story = await suffer(
            made, "one of three brokers killed", dies, seconds=LOAD_SECONDS, rate=RATE
        )

    assert shown(story.wrong) == []
    assert set(story.load.offered.refused) <= {503}, "no connection of a channel breaks"
    assert story.longest_intake_pause_seconds < RECOVERED_SECONDS_MAX
    assert story.accepted_per_second(RECOVERED_SECONDS_MAX) > FULL_RATE_MIN
