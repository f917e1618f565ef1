"""Cassandra and Redis go away: intake, matching and webhooks go on, and history is whole later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loadtests.story import suffer
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaServer
from ops.stack.redis import RedisServer
from tests.faults.real_world import engines, real_world
from tests.faults.scale import RATE, SCALE
from tests.integration.product_world import pause
from tests.redis_servers import client_of

pytestmark = [pytest.mark.integration, pytest.mark.no_cover, pytest.mark.timeout(400)]

FLUSH_AFTER_SECONDS = 5.0
AFTER_SECONDS = 5.0
PAUSE_SECONDS_MAX = 10.0


async def test_without_cassandra_and_redis_merchants_are_told(
    tmp_path: Path,
    own_kafka: KafkaServer,
    cassandra_server: CassandraServer,
    redis_server: RedisServer,
) -> None:
    async with real_world(tmp_path, engines(own_kafka, cassandra_server, redis_server)) as made:

        async def both_go_away() -> None:
            with client_of(redis_server) as client:
                client.flushall()
            await pause(FLUSH_AFTER_SECONDS)
            cassandra_server.kill()
            redis_server.kill()
            await pause(SCALE.sides_down)
            for server in (cassandra_server, redis_server):
                await asyncio.to_thread(server.start)
                await asyncio.to_thread(server.wait_usable)

        story = await suffer(
            made,
            f"Redis flushed, then Cassandra and Redis down for {SCALE.sides_down:g} s",
            both_go_away,
            seconds=SCALE.sides_down + FLUSH_AFTER_SECONDS + AFTER_SECONDS,
            rate=RATE,
        )

    assert story.wrong == []
    assert not story.load.offered.refused, "intake needs neither of them"
    assert story.longest_pause_seconds < PAUSE_SECONDS_MAX
