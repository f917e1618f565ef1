"""The reader of the log on Kafka: whoever waits for the next record gets it after other errands."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.structs import TopicPartition  # type: ignore[import-untyped]  # it ships no types

from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import KafkaConnection
from connectors.kafka.tail import KafkaTail
from ops.stack.kafka import KafkaServer
from streams.clock import system_clock
from streams.ports import Record
from tests.real_engines import fresh_name

pytestmark = pytest.mark.integration

WAITS_SECONDS = 20.0


async def test_who_waits_sleeps_and_wakes_also_after_another_errand(
    kafka_server: KafkaServer,
) -> None:
    followed, other = fresh_name("followed"), fresh_name("other")
    for topic in (followed, other):
        kafka_server.create_topic(topic, 1)
    connection = KafkaConnection(servers=(kafka_server.address,))
    tail = KafkaTail(connection, {followed: 1, other: 1}, system_clock)
    appender = KafkaAppender(connection)
    try:
        assert not await tail.fetch(followed, 0, 0, 10)
        async with tail._reader() as consumer:  # noqa: SLF001  # as `untaken_since` does for a stage
            consumer.assign([TopicPartition(other, 0)])
        waiting = asyncio.create_task(tail.wait(WAITS_SECONDS))
        await appender.append([Record(topic=followed, key=b"k", value=b"v")])
        await asyncio.wait_for(waiting, WAITS_SECONDS / 2)

        (found,) = await tail.fetch(followed, 0, 0, 10)
        assert found.value == b"v"
    finally:
        await tail.close()
        await appender.close()
