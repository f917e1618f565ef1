"""The write side of Kafka for a process that runs no Faust app: the API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka.errors import KafkaError  # type: ignore[import-untyped]  # it ships no types

from connectors.kafka.connection import KafkaConnection
from connectors.kafka.ending import MortalProducer
from connectors.kafka.reaching import reached
from connectors.kafka.topics import BATCH_BYTES_MAX
from connectors.kafka.unit import outgoing_of, place_of
from connectors.log.limits import must_fit
from streams.domain.errors import Unavailable
from streams.ports import Place, Record

APPEND_SECONDS_MAX = 5.0
"""A channel is told to come again rather than kept waiting for a broker that is away."""


class KafkaAppender:
    """Implements `streams.ports.Appender`: acknowledged by every replica that is in sync.

    After a refusal the producer is made anew: an idempotent one whose batch was given up cannot
    go on, because the broker would see a hole in its numbers.
    """

    def __init__(
        self, connection: KafkaConnection, *, seconds_max: float = APPEND_SECONDS_MAX
    ) -> None:
        self._connection, self._seconds_max = connection, seconds_max
        self._producer: MortalProducer | None = None
        self._starting = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        """Append all records; see `streams.ports.Appender`."""
        if not records:
            return ()
        must_fit(records)
        producer: MortalProducer | None = None
        try:
            async with asyncio.timeout(self._seconds_max):
                producer = await self._started()
                futures = [await self._send(producer, record) for record in records]
                return [place_of(metadata) for metadata in await asyncio.gather(*futures)]
        except (KafkaError, TimeoutError, OSError) as error:
            if producer is not None:
                self._give_up(producer)
            message = f"the log cannot be written: {error or 'the broker did not answer'!r}"
            raise Unavailable(message) from error

    @staticmethod
    async def _send(producer: MortalProducer, record: Record) -> asyncio.Future[object]:
        outgoing = outgoing_of(record)
        sent: asyncio.Future[object] = await producer.send(
            outgoing.topic, outgoing.value, key=outgoing.key, headers=list(outgoing.headers)
        )
        return sent

    async def _started(self) -> MortalProducer:
        if self._producer is None:
            async with self._starting:
                if self._producer is None:
                    connection = await reached(self._connection)
                    producer = MortalProducer(
                        **connection.client_options(),
                        acks="all",
                        enable_idempotence=True,
                        max_request_size=BATCH_BYTES_MAX,
                    )
                    try:
                        await producer.start()
                    except BaseException:
                        self._end(producer)
                        raise
                    self._producer = producer
        return self._producer

    def _give_up(self, producer: MortalProducer) -> None:
        if self._producer is producer:
            self._producer = None
            self._end(producer)

    def _end(self, producer: MortalProducer) -> None:
        # Others may still wait for what it has to write, each no longer than for an append. What
        # was refused can be written meanwhile, or was before: a refusal says that nobody knows.
        # That does no harm to notices, which are known by their ids when they come again (see
        # `settle`), nor to invoices; what a person wants of an endpoint can be written late.
        task = asyncio.create_task(producer.end(self._seconds_max), name="ending a Kafka producer")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Send what is under way, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._end(producer)
        await asyncio.gather(*self._ending)
