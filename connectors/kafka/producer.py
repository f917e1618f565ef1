"""The write side of the Kafka driver: one order for everything, and a flush that is a barrier."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aiokafka.structs import RecordMetadata  # type: ignore[import-untyped]  # it ships no types
from faust.transport.drivers import aiokafka as driver
from faust.types.core import HeadersArg
from faust.types.tuples import TP, FutureMessage, Message
from faust.types.tuples import RecordMetadata as FaustMetadata

from connectors.kafka.stopping import stop_process
from connectors.kafka.unit import Outgoing, Sent, Unit, outgoing_of, place_of
from connectors.log.limits import must_fit, row_must_fit
from streams.endings import why_it_ended
from streams.ports import Place, Record

if TYPE_CHECKING:
    from connectors.kafka.consumer import Consumer
    from connectors.kafka.store import Change

GATHER_SECONDS = 0.005
"""How long records gather after some were sent: while it is busy a worker sends less often."""
IN_FLIGHT_MAX = 10_000
"""Records that were said and are not acknowledged; beyond it steps wait."""

logger = logging.getLogger(__name__)


class Producer(driver.Producer):
    """Sends in the order in which it was told, by an idempotent producer that every replica acks.

    Faust's own buffer gives up a flush after a tenth of a second and forgets a failed send. Here
    `flush` returns when everything said before is acknowledged, and a send that fails stops the
    process before its position can be committed.
    """

    gather_seconds = GATHER_SECONDS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.opened: Unit | None = None
        self._queue: deque[Outgoing] = deque()
        self._wanted = asyncio.Event()
        self._said = self._sent = 0
        self._unacked: dict[int, None] = {}
        """The numbers of what was said and is not acknowledged, the oldest first."""
        self._flushes: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._has_room = asyncio.Condition()
        self._sender: asyncio.Task[None] | None = None
        self._stop_process: Callable[[BaseException], object] = getattr(
            self.app, "on_log_failure", stop_process
        )

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    async def on_start(self) -> None:
        """Connect, and begin to send."""
        await super().on_start()
        cast("Consumer", self.app.consumer).heartbeats.guard(self._ensure_producer().client)
        self._sender = asyncio.create_task(self._send_all(), name="kafka sender")
        self._sender.add_done_callback(self._sender_ended)

    async def on_stop(self) -> None:
        """Send what was said, then disconnect."""
        await self.flush()
        if self._sender is not None:
            self._sender.cancel()
        await super().on_stop()

    # -- units

    def unit(self, message: Message) -> Unit:
        """A unit for the step that handles this message; see `Unit`."""
        del message  # on Kafka its position moves by Faust's commit, after a flush
        return Unit(self)

    def enqueue(self, outgoing: Iterable[Outgoing]) -> None:
        """Say records; they leave in this order."""
        for each in outgoing:
            self._said += 1
            self._unacked[self._said] = None
            self._queue.append(each)
        self._wanted.set()

    async def room(self) -> None:
        """Return at once, or when the broker has caught up to the limit."""
        if len(self._unacked) > IN_FLIGHT_MAX:
            async with self._has_room:
                await self._has_room.wait_for(lambda: len(self._unacked) <= IN_FLIGHT_MAX)

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        """Send records that belong to no step and return their places; see `ports.Appender`."""
        must_fit(records)
        await self.room()
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in records]
        pairs = zip(records, futures, strict=True)
        self.enqueue([outgoing_of(record, partial(_tell, future)) for record, future in pairs])
        return [place_of(metadata) for metadata in await asyncio.gather(*futures)]

    async def flush(self) -> None:
        """Return when everything said so far is acknowledged by the broker.

        What is said meanwhile is not waited for: under load there is always something, and no
        position would be committed.
        """
        if self._unacked:
            flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._flushes.append((self._said, flushed))
            await flushed
        if self._producer is not None:
            await self._producer.flush()

    # -- Faust's tables

    def send_soon(self, fut: FutureMessage) -> None:
        """Take in a table change: into the open unit, or on its own when there is none."""
        pending = fut.message
        topic = pending.topic or pending.channel.get_topic_name()
        row_must_fit(topic, pending.key, pending.value)
        changed = self._change(topic, pending.key, pending.value, pending.partition)
        outgoing = Outgoing(
            topic,
            pending.key,
            pending.value or None,
            pending.partition,
            _headers(pending.headers),
            _tell_table(fut, changed),
        )
        if self.opened is None:
            self.enqueue([outgoing])
            return
        self.opened.outgoing.append(outgoing)
        if changed is not None:
            self.opened.undo.append(changed.undo)

    def _change(
        self, changelog: str, key: bytes | None, value: bytes | None, partition: int | None
    ) -> Change | None:
        """Tell the store of the table that has this changelog, before Faust changes it."""
        for table in self.app.tables.values():
            if table.changelog_topic.get_topic_name() == changelog:
                return cast("Change", table.data.write(partition, key, value))
        return None

    # -- sending

    async def _send_all(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._queue:
                topic, key, value, partition, headers, sent = self._queue.popleft()
                self._sent += 1
                number = self._sent
                producer = self._ensure_producer()
                future = await producer.send(
                    topic, value, key=key, partition=partition, headers=list(headers)
                )
                future.add_done_callback(partial(self._acknowledged, number, sent))
            await asyncio.sleep(self.gather_seconds)

    def _acknowledged(
        self, number: int, sent: Sent | None, done: asyncio.Future[RecordMetadata]
    ) -> None:
        error = why_it_ended(done, is_wanted=self.should_stop)
        if error is not None:
            self._fail(error)
        if error is not None or done.cancelled():
            return
        if sent is not None:
            sent(done.result())
        del self._unacked[number]
        if self._flushes:
            self._end_flushes()
        if len(self._unacked) == IN_FLIGHT_MAX:
            _ = asyncio.ensure_future(self._notify())  # noqa: RUF006  # it ends at once

    def _end_flushes(self) -> None:
        oldest = next(iter(self._unacked), self._said + 1)
        while self._flushes and self._flushes[0][0] < oldest:
            _, flushed = self._flushes.popleft()
            if not flushed.done():
                flushed.set_result(None)

    async def _notify(self) -> None:
        async with self._has_room:
            self._has_room.notify_all()

    def _sender_ended(self, task: asyncio.Task[None]) -> None:
        if (error := why_it_ended(task, is_wanted=self.should_stop)) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        logger.critical("Kafka did not take a record: %r", error)
        self._stop_process(error)


def _tell(waiting: asyncio.Future[RecordMetadata], metadata: RecordMetadata) -> None:
    """Whoever waited may have been cancelled, at the end of the process."""
    if not waiting.done():
        waiting.set_result(metadata)


def _headers(given: HeadersArg | None) -> tuple[tuple[str, bytes], ...]:
    if not given:
        return ()
    return tuple(given.items() if isinstance(given, Mapping) else given)


def _tell_table(future: FutureMessage, changed: Change | None) -> Sent:
    """Tell the table's store that its changelog has the record, then Faust."""

    def sent(metadata: RecordMetadata) -> None:
        if changed is not None:
            changed.settle(metadata)
        future.set_result(
            FaustMetadata(
                topic=metadata.topic,
                partition=metadata.partition,
                topic_partition=TP(metadata.topic, metadata.partition),
                offset=metadata.offset,
                timestamp=(metadata.timestamp or 0) / 1000,
                timestamp_type=metadata.timestamp_type,
            )
        )
        if future.message.callback is not None:
            future.message.callback(future)

    return sent
