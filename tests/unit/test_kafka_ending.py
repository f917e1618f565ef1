"""Clients of Kafka that are given up end: no task and no connection of theirs is left."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]  # it ships no types
from aiokafka.consumer.group_coordinator import (  # type: ignore[import-untyped]  # as above
    NoGroupCoordinator,
)

from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import KafkaConnection
from connectors.kafka.ending import end_consumer
from streams.domain.errors import Unavailable
from streams.ports import Record
from tests.conftest import Eventually
from tests.kafka_stub import RefusingBroker

TOPIC = "references"
REFUSALS = 3
APPEND_SECONDS = 0.3


async def none_is_left(
    eventually: Eventually, broker: RefusingBroker, before: set[asyncio.Task[object]]
) -> None:
    """Return when there are no connections and no tasks but those of before and the broker's."""
    await eventually(lambda: not broker.connections and not asyncio.all_tasks() - before)


@pytest.mark.parametrize("answers", [True, False], ids=["refuses", "is-silent"])
async def test_a_producer_whose_records_are_refused_ends(
    answers: bool,  # noqa: FBT001  # pytest's own way
    eventually: Eventually,
) -> None:
    async with RefusingBroker(TOPIC, answers=answers).listening() as broker:
        before = asyncio.all_tasks()
        connection = KafkaConnection(servers=(broker.address,))
        appender = KafkaAppender(connection, seconds_max=APPEND_SECONDS)
        for _ in range(REFUSALS):
            with pytest.raises(Unavailable):
                await appender.append([Record(topic=TOPIC, key=b"k", value=b"v")])

        await none_is_left(eventually, broker, before)
        asked_to_write = broker.asked_to_write
        await appender.close()

    assert broker.asked_to_write == asked_to_write >= REFUSALS


async def test_a_consumer_ends_where_its_own_stop_fails(eventually: Eventually) -> None:
    async with RefusingBroker(TOPIC).listening() as broker:
        before = asyncio.all_tasks()
        consumer = AIOKafkaConsumer(bootstrap_servers=broker.address, enable_auto_commit=False)
        client = consumer._client  # noqa: SLF001  # by `start` its tasks would begin
        await client.bootstrap()
        coordinator = NoGroupCoordinator(client, consumer._subscription)  # noqa: SLF001  # as above
        consumer._coordinator = coordinator  # noqa: SLF001  # as above
        coordinator._reset_committed_task.cancel()  # noqa: SLF001  # so `stop` raises, as above
        assert broker.connections

        await end_consumer(consumer)

        await none_is_left(eventually, broker, before)
