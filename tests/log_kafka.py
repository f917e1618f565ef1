"""Kafka as an engine of the log's contract: topics of their own for each test, on one server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # no types

from connectors.kafka.admin import an_admin
from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import SCHEME, KafkaConnection, servers_of
from connectors.kafka.rows import ON_DISK
from connectors.kafka.store import url_of
from connectors.kafka.topics import TopicPlan, make_topics
from streams.ports import Appender, Place, Record
from tests.log_engines import Seen
from tests.real_engines import fresh_name

CHANGELOG = "log-worker-totals-changelog"
CALL_SECONDS_MAX = 30.0
READ_MS = 1_000
PARTITIONS = 4

T = TypeVar("T")


class Loop:
    """An event loop in a thread, for tests that ask from outside of theirs."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(CALL_SECONDS_MAX)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class KafkaEngine:
    """One test's topics on a Kafka server."""

    store = url_of(ON_DISK)
    repeats_after_a_crash = True

    def __init__(
        self, connection: KafkaConnection, prefix: str, loop: Loop, replication: int
    ) -> None:
        self.broker, self.prefix = SCHEME + ",".join(connection.servers), prefix
        self._loop, self._replication = loop, replication
        self._connection = connection
        self._inner = KafkaAppender(self._connection)
        self.create_topic(CHANGELOG, PARTITIONS, compacted=True)

    @property
    def appender(self) -> Appender:
        return self

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        prefixed = [replace(record, topic=self.prefix + record.topic) for record in records]
        places = await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(self._inner.append(prefixed), self._loop.loop)
        )
        return [replace(place, topic=place.topic.removeprefix(self.prefix)) for place in places]

    def create_topic(self, name: str, partitions: int, *, compacted: bool = False) -> None:
        plan = TopicPlan(
            name=self.prefix + name,
            partitions=partitions,
            replication=self._replication,
            compacted=compacted,
        )
        self._loop.run(make_topics(self._connection, [plan]))

    def read(self, topic: str) -> Sequence[Seen]:
        return self._loop.run(self._read(self.prefix + topic))

    async def _read(self, topic: str) -> list[Seen]:
        found = []
        async with self._consumer() as consumer:
            places = _places(topic)
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            for place in places:
                consumer.seek(place, 0)
            while any([await consumer.position(place) < ends[place] for place in places]):  # awaits
                for records in (await consumer.getmany(timeout_ms=READ_MS)).values():
                    found += [_seen(record) for record in records]
        return sorted(found, key=lambda seen: (seen.partition, seen.offset))

    def rows(self, changelog: str) -> dict[bytes, bytes]:
        rows: dict[bytes, bytes | None] = {}
        for seen in self.read(changelog):
            rows[seen.key or b""] = seen.value
        return {key: value for key, value in rows.items() if value}

    def ends(self, topic: str) -> list[int]:
        return self._loop.run(self._ends(self.prefix + topic))

    async def _ends(self, topic: str) -> list[int]:
        async with self._consumer() as consumer:
            places = _places(topic)
            ends = await consumer.end_offsets(places)
        return [ends[place] for place in places]

    def positions(self, group: str, topic: str) -> list[int]:
        del group  # on Kafka an app is a group
        return self._loop.run(self._positions(self.prefix + topic))

    async def _positions(self, topic: str) -> list[int]:
        async with an_admin(self._connection) as admin:
            offsets = await admin.list_consumer_group_offsets(f"{self.prefix}log-worker")
        return [offsets[place].offset if place in offsets else 0 for place in _places(topic)]

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(**self._connection.client_options(), enable_auto_commit=False)

    def close(self) -> None:
        self._loop.run(self._inner.close())


def _places(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(PARTITIONS)]


def _seen(record: Any) -> Seen:
    return Seen(
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
    )


@contextmanager
def a_kafka_engine(broker: str, *, replication: int) -> Iterator[KafkaEngine]:
    """Topics of one test on Kafka servers that run."""
    with a_kafka_engine_by(KafkaConnection(servers=servers_of(broker)), replication) as engine:
        yield engine


@contextmanager
def a_kafka_engine_by(connection: KafkaConnection, replication: int) -> Iterator[KafkaEngine]:
    """The same on servers that want to know who asks."""
    loop = Loop()
    engine = KafkaEngine(connection, f"{fresh_name('log')}-", loop, replication)
    try:
        yield engine
    finally:
        engine.close()
        loop.close()
