"""Reads partitions of a changelog from given offsets to their ends, by a client without a group."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # no types
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # no types
from aiokafka.errors import (  # type: ignore[import-untyped]  # it ships no types
    KafkaError,
    OffsetOutOfRangeError,
)
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list

from connectors.kafka.ending import end_consumer
from connectors.kafka.reaching import farewell
from streams.clock import monotonic_seconds
from streams.domain.errors import Unavailable

POLL_MS = 500
RECORDS_PER_READ = 2_000
PARTITION_BYTES_MAX = 1024**2
STILL_SECONDS = 30.0
"""A reading that has not moved for so long is told, and the ends are asked for again."""
STILL_SECONDS_MAX = 300.0
"""A reading that has not moved for so long is given up; who supervises the process tries again."""

logger = logging.getLogger("keshikomi")


class Chunk(NamedTuple):
    """Some records of one partition, and the offset behind them."""

    partition: int
    rows: Sequence[tuple[bytes, bytes | None]]
    until: int


class Changelog:
    """One changelog as it stood when it was opened."""

    def __init__(self, consumer: AIOKafkaConsumer, cluster: str) -> None:
        self._consumer = consumer
        self.cluster = cluster
        """Which log it is of: the cluster's own name for itself, to begin with."""
        self.begins: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self._topic = ""

    async def measure(self, topic: str, partitions: Sequence[int]) -> Self:
        """Find out where the partitions begin and end."""
        self._topic = topic
        places = [TopicPartition(topic, number) for number in partitions]
        begins = await self._consumer.beginning_offsets(places)
        ends = await self._consumer.end_offsets(places)
        self.begins = {place.partition: offset for place, offset in begins.items()}
        self.ends = {place.partition: offset for place, offset in ends.items()}
        return self

    async def read(self, starts: Mapping[int, int]) -> AsyncIterator[Chunk]:
        """Records from these offsets on, in order within each partition, up to the ends.

        An end that went back meanwhile, because the brokers have lost what was behind it, is the
        end from then on.

        Raises:
            Unavailable: nothing has moved for `STILL_SECONDS_MAX`, or what was read is in the log
                no more.
        """
        places = {
            TopicPartition(self._topic, number): start
            for number, start in starts.items()
            if start < self.ends[number]
        }
        self._consumer.assign(list(places))
        for place, start in places.items():
            self._consumer.seek(place, start)
        moved_at = told_at = monotonic_seconds()
        while places:
            for place, records in (await self._poll(places)).items():
                yield Chunk(place.partition, _rows(records), records[-1].offset + 1)
            if await self._moved(places):
                moved_at = told_at = monotonic_seconds()
            elif monotonic_seconds() - told_at >= STILL_SECONDS:
                told_at = monotonic_seconds()
                await self._look_again(places, told_at - moved_at)

    async def _poll(self, places: Iterable[TopicPartition]) -> Mapping[TopicPartition, Any]:
        try:
            got: Mapping[TopicPartition, Any] = await self._consumer.getmany(
                *places, timeout_ms=POLL_MS, max_records=RECORDS_PER_READ
            )
        except OffsetOutOfRangeError as error:
            lost = f"{self._topic} was cut while it was read, and has no record at {error}"
            raise Unavailable(lost) from error
        return got

    async def _moved(self, places: dict[TopicPartition, int]) -> bool:
        """Look how far each has come, and leave out what is at its end."""
        before = dict(places)
        for place in before:
            # Not the offset of the last record: the last thing there may be none.
            places[place] = await self._consumer.position(place)
            if places[place] >= self.ends[place.partition]:
                del places[place]
                self._consumer.pause(place)
        return places != before

    async def _look_again(self, places: Mapping[TopicPartition, int], seconds: float) -> None:
        """Tell where it stands, and take the end that the log has now where it went back."""
        for place, position in places.items():
            end = self.ends[place.partition]
            stands = f"{place.topic}: partition {place.partition} is read up to {position} of {end}"
            logger.warning("%s, and nothing has come for %.0f s", stands, seconds)
            if seconds >= STILL_SECONDS_MAX:
                raise Unavailable(f"{stands}, and nothing has come for {seconds:.0f} s")
            try:
                now = (await self._consumer.end_offsets([place]))[place]
            except KafkaError as error:
                logger.warning("%s: its end cannot be asked for: %r", place.topic, error)
                continue
            if now < position:
                raise Unavailable(f"{stands}, and its log ends at {now}: what was read is lost")
            if now < end:
                logger.warning("%s: partition %d ends at %d now", *place, now)
                self.ends[place.partition] = now


@asynccontextmanager
async def opened(client_options: Mapping[str, Any]) -> AsyncIterator[Changelog]:
    """Connect for one reading; raises what aiokafka raises."""
    admin = AIOKafkaAdminClient(**client_options)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    finally:
        await farewell(admin.close())
    consumer = AIOKafkaConsumer(
        **client_options,
        enable_auto_commit=False,
        auto_offset_reset="none",  # else a log that was cut is read on from its end
        max_partition_fetch_bytes=PARTITION_BYTES_MAX,
    )
    try:
        await consumer.start()
        yield Changelog(consumer, str(cluster["cluster_id"]))
    finally:
        await end_consumer(consumer)


def client_options_of(app: Any) -> Mapping[str, Any]:
    """How to reach the brokers that the app uses."""
    conf, transport = app.conf, app.transport
    return {
        "bootstrap_servers": server_list(transport.url, transport.default_port),
        "request_timeout_ms": int(conf.broker_request_timeout * 1000),
        **credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
    }


def _rows(records: Sequence[Any]) -> list[tuple[bytes, bytes | None]]:
    return [(record.key, record.value or None) for record in records]
