"""The read side of Kafka for a process that follows a whole topic by itself, without a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # no types
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # no types
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]  # it ships no types

from connectors.kafka.admin import Positions, read_positions
from connectors.kafka.connection import KafkaConnection
from connectors.kafka.ending import end_consumer
from connectors.kafka.reaching import farewell, reached
from connectors.log.places import partition_of
from streams.clock import Clock, monotonic_seconds
from streams.domain.errors import Unavailable
from streams.endings import is_interrupted
from streams.ports import Fetched, Place
from streams.topics import INVOICES, REFERENCES, group_of_topic

ENDS = (KafkaError, TimeoutError, OSError)
"""What a question may end with; a cancellation that nobody asked for is the like."""
READ_SECONDS_MAX = 5.0
POLL_MS = 200
UNTAKEN_SECONDS = 0.25
"""How old an answer about other groups may be: it costs the brokers several round trips."""


class KafkaTail:
    """Implements `streams.ports.Tail`.

    One client reads, one errand at a time, since its position belongs to whoever reads; another
    asks where things stand, and never waits for the first, which listens for long. Both connect at
    first use and again after a failure, so a broker that is away is no reason to stop.
    """

    def __init__(
        self, connection: KafkaConnection, partitions: Mapping[str, int], clock: Clock
    ) -> None:
        self._connection, self._partitions, self._clock = connection, dict(partitions), clock
        self._consumer: AIOKafkaConsumer | None = None
        self._reading = asyncio.Lock()
        self._asked: tuple[AIOKafkaConsumer, AIOKafkaAdminClient] | None = None
        self._asking = asyncio.Lock()
        self._followed: TopicPartition | None = None
        self._next = 0
        """The offset behind what was fetched last."""
        self._ahead: list[Any] = []
        self._untaken: tuple[float, datetime | None] | None = None

    # -- the port

    async def fetch(self, topic: str, partition: int, offset: int, limit: int) -> Sequence[Fetched]:
        """Durable records from `offset` on; none when at the end."""
        place = TopicPartition(topic, partition)
        async with self._reader() as consumer:
            records = await self._read(consumer, place, offset, limit)
            self._followed = place
            self._next = records[-1].offset + 1 if records else offset
        return [_fetched(record) for record in records]

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will have."""
        place = TopicPartition(topic, partition)
        async with self._asker() as (consumer, _):
            ends = await consumer.end_offsets([place])
        return int(ends[place])

    async def wait(self, timeout_seconds: float) -> None:
        """Return when something was appended to what was fetched last, or after the timeout."""
        until = monotonic_seconds() + timeout_seconds
        while self._followed is not None and not self._ahead:
            if monotonic_seconds() >= until:
                return
            try:
                await self._look_ahead(self._followed)
            except Unavailable:
                break
        else:
            if self._ahead:
                return
        await asyncio.sleep(max(until - monotonic_seconds(), 0))

    async def _look_ahead(self, place: TopicPartition) -> None:
        async with self._reader() as consumer:
            if place not in consumer.assignment():  # another errand had the client meanwhile
                consumer.assign([place])
                consumer.seek(place, self._next)
            got = await consumer.getmany(place, timeout_ms=POLL_MS)
            self._ahead += got.get(place, [])

    async def untaken_since(self) -> datetime | None:
        """The log time of the oldest record that a step before history has yet to take."""
        now = monotonic_seconds()
        if self._untaken is None or now - self._untaken[0] > UNTAKEN_SECONDS:
            asked_at = self._clock()
            oldest = await self._oldest_untaken()
            # What comes after this moment may be untaken, and this answer is given for a while.
            self._untaken = now, oldest or asked_at
        return self._untaken[1]

    def partition_of(self, topic: str, key: bytes) -> int:
        """The partition that holds a key."""
        return partition_of(key, self._partitions[topic])

    # -- for audits and gauges

    async def positions(self) -> Positions:
        """Where everything stands now."""
        async with self._asker() as (consumer, admin):
            return await read_positions(admin, consumer, self._partitions, group_of_topic())

    @property
    def partitions(self) -> Mapping[str, int]:
        """The topics and how many partitions each has."""
        return self._partitions

    async def close(self) -> None:
        """Disconnect."""
        async with self._reading:
            await self._forget_reader()
        await self._forget_asker()

    # -- reading

    async def _oldest_untaken(self) -> datetime | None:
        groups = group_of_topic()
        positions = await self.positions()
        waiting = []
        for name in (REFERENCES.name, INVOICES.name):
            for partition in range(self._partitions[name]):
                taken = positions.committed(groups[name], name, partition) or 0
                first = max(taken, positions.earliest(name, partition))
                if first < positions.end(name, partition):
                    place = TopicPartition(name, partition)
                    async with self._reader() as consumer:
                        oldest = await self._read(consumer, place, first, 1)
                    waiting += [_time_of(record) for record in oldest]
        return min(waiting, default=None)

    async def _read(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int, limit: int
    ) -> list[Any]:
        """Records from an offset on, or none when there is nothing between it and the end."""
        ahead, self._ahead = self._ahead, []
        if ahead and _place_of(ahead[0]) == place and ahead[0].offset == offset:
            self._ahead = ahead[limit:]
            return ahead[:limit]
        if consumer.assignment() != {place}:
            consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        first = (await consumer.beginning_offsets([place]))[place]
        offset = max(offset, first)
        if offset >= end:
            consumer.seek(place, end)
            return []
        consumer.seek(place, offset)
        while await consumer.position(place) < end:
            got = await consumer.getmany(place, timeout_ms=POLL_MS, max_records=limit)
            if records := got.get(place):
                return list(records)
        return []

    # -- connecting

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        """The client that reads, for one errand."""
        async with self._reading, _answered("read", self._forget_reader):
            if self._consumer is None:
                self._consumer = await self._a_consumer()
            yield self._consumer

    @asynccontextmanager
    async def _asker(self) -> AsyncIterator[tuple[AIOKafkaConsumer, AIOKafkaAdminClient]]:
        """The clients that ask; any number of questions at once."""
        async with _answered("asked", self._forget_asker):
            yield await self._connected()

    async def _connected(self) -> tuple[AIOKafkaConsumer, AIOKafkaAdminClient]:
        async with self._asking:
            if self._asked is None:
                connection = await reached(self._connection)
                admin = AIOKafkaAdminClient(**connection.client_options())
                try:
                    await admin.start()
                    self._asked = await self._a_consumer(), admin
                except BaseException:
                    await farewell(admin.close())
                    raise
            return self._asked

    async def _a_consumer(self) -> AIOKafkaConsumer:
        connection = await reached(self._connection)
        consumer = AIOKafkaConsumer(**connection.client_options(), enable_auto_commit=False)
        try:
            await consumer.start()
        except BaseException:
            await end_consumer(consumer)
            raise
        return consumer

    async def _forget_reader(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._ahead = []
        if consumer is not None:
            await end_consumer(consumer)

    async def _forget_asker(self) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            await end_consumer(asked[0])
            await farewell(asked[1].close())


@asynccontextmanager
async def _answered(what: str, forget: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Bound an errand; what goes wrong in it is `Unavailable`, and its client is forgotten."""
    try:
        async with asyncio.timeout(READ_SECONDS_MAX):
            yield
    except (*ENDS, asyncio.CancelledError) as error:
        if not (isinstance(error, ENDS) or is_interrupted()):
            raise
        await forget()
        raise Unavailable(f"the log cannot be {what}: {error!r}") from error


def _place_of(record: Any) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def _time_of(record: Any) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def _fetched(record: Any) -> Fetched:
    return Fetched(
        place=Place(topic=record.topic, partition=record.partition, offset=record.offset),
        recorded_at=_time_of(record),
        key=record.key or b"",
        value=record.value or None,
    )
