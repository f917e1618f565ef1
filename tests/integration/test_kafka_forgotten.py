"""What Kafka forgets before a group has read it is told, counted and passed, never silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]  # no types
from aiokafka.admin import RecordsToDelete  # type: ignore[import-untyped]  # it ships no types
from faust.types.tuples import TP

from connectors.kafka.forgotten import Forgotten
from ops.stack.kafka import KafkaServer
from tests.conftest import Eventually
from tests.log_kafka import KafkaEngine, a_kafka_engine
from tests.log_worker import make_app

pytestmark = [pytest.mark.integration, pytest.mark.allows_errors]

RECORDS = 5


class Notices:
    """A topic with work, as its broker sees it."""

    def __init__(self, kafka: KafkaServer, engine: KafkaEngine) -> None:
        self._kafka, self._engine = kafka, engine
        self.name, self.group = f"{engine.prefix}notices", f"{engine.prefix}log-worker"

    async def append(self, *partitions: int, many: int = RECORDS) -> None:
        """So many records more in each of these."""
        producer = AIOKafkaProducer(bootstrap_servers=self._kafka.address)
        await producer.start()
        for partition in partitions:
            for number in range(many):
                value = b"%d-%d" % (partition, number)
                await producer.send(self.name, value, key=b"k", partition=partition)
        await producer.stop()

    async def forget(self, before: Mapping[int, int]) -> None:
        """As retention does, by partition."""
        places = {
            TopicPartition(self.name, number): RecordsToDelete(offset)
            for number, offset in before.items()
        }
        await asyncio.to_thread(self._kafka.ask, lambda admin: admin.delete_records(places))

    async def read(self, up_to: Mapping[int, int]) -> None:
        """Let the group have read so far."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._kafka.address, group_id=self.group, enable_auto_commit=False
        )
        await consumer.start()
        places = {TopicPartition(self.name, number): offset for number, offset in up_to.items()}
        consumer.assign(list(places))
        await consumer.commit(places)
        await consumer.stop()

    def positions(self) -> list[int]:
        return self._engine.positions("", "notices")


@asynccontextmanager
async def a_worker(engine: KafkaEngine) -> AsyncIterator[Any]:
    app: Any = make_app(engine.broker, engine.store, "unit", engine.prefix)
    app.loop = asyncio.get_running_loop()
    app.told, app.stopped = [], []
    app.on_forgotten = lambda *said: app.told.append(said)
    app.on_log_failure = app.stopped.append
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


async def test_what_is_forgotten_unread_is_told_once_and_the_rest_is_handled(
    kafka_server: KafkaServer, caplog: pytest.LogCaptureFixture, eventually: Eventually
) -> None:
    with a_kafka_engine(kafka_server.url, replication=1) as engine:
        for topic in ("notices", "counts", "quarantine"):
            engine.create_topic(topic, 4)
        notices = Notices(kafka_server, engine)
        await notices.append(0, 1, 2, 3)
        await notices.read({0: 1, 2: RECORDS})
        await notices.forget({0: 3, 1: RECORDS, 2: RECORDS})

        async with a_worker(engine) as app:
            await eventually(lambda: notices.positions() == [RECORDS] * 4)
            await eventually(lambda: sum(engine.ends("counts")) == 2 + RECORDS)
            assert sorted(app.told) == [(notices.name, 2), (notices.name, RECORDS)]
            lines = [
                each.getMessage() for each in caplog.records if each.levelno == logging.CRITICAL
            ]
            assert lines == [
                str(Forgotten(TP(notices.name, 0), notices.group, 1, 3)),
                str(Forgotten(TP(notices.name, 1), notices.group, None, RECORDS)),
            ]

            await app.consumer.perform_seek()  # as after each rebalance
            assert len(app.told) == 2
            assert app.stopped == []

            await forget_while_it_reads(app, notices, eventually)
        assert [str(error) for error in app.stopped[:1]] == [
            f"offsets {RECORDS} to {RECORDS + 1} of {TopicPartition(notices.name, 3)} were left out"
        ]


async def forget_while_it_reads(app: Any, notices: Notices, eventually: Eventually) -> None:
    """Records come and go while the worker's client holds its breath."""
    client = app.consumer._thread._consumer  # noqa: SLF001  # only there fetching can be held
    client.pause(*client.assignment())
    await eventually(lambda: not client._fetcher._in_flight)  # noqa: SLF001  # as above
    await notices.append(3)
    await notices.forget({3: RECORDS + 2})
    client.resume(*client.assignment())
    await eventually(lambda: bool(app.stopped))
