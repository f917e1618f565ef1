"""Reads partitions of a changelog from given offsets to their ends, by a client without a group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # no types
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # no types
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth, server_list

from connectors.kafka.ending import end_consumer
from connectors.kafka.reaching import farewell

POLL_MS = 500
RECORDS_PER_READ = 2_000
PARTITION_BYTES_MAX = 1024**2


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
        """Records from these offsets on, in order within each partition, up to the ends."""
        places = {
            TopicPartition(self._topic, number): start
            for number, start in starts.items()
            if start < self.ends[number]
        }
        self._consumer.assign(list(places))
        for place, start in places.items():
            self._consumer.seek(place, start)
        while places:
            got = await self._consumer.getmany(
                *places, timeout_ms=POLL_MS, max_records=RECORDS_PER_READ
            )
            for place, records in got.items():
                yield Chunk(place.partition, _rows(records), records[-1].offset + 1)
            for place in tuple(places):
                # Not the offset of the last record: the last thing there may be none.
                if await self._consumer.position(place) >= self.ends[place.partition]:
                    del places[place]
                    self._consumer.pause(place)


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
