"""The write side of the Faust driver: one order for outputs, table changes and positions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from faust.transport import base
from faust.types.core import HeadersArg
from faust.types.tuples import TP, FutureMessage, Message, RecordMetadata

from connectors.log.catalog import Topic
from connectors.log.elements import Element, Row, size_of
from connectors.log.headers import pack_headers
from connectors.log.limits import row_must_fit
from connectors.log.message import TIMESTAMP_OF_APPEND
from connectors.log.places import partition_of
from connectors.log.unit import Change, Unit, UnitOrder
from streams.ports import Place, Record

if TYPE_CHECKING:
    from connectors.log.transport import Transport


class Producer(base.Producer):
    """Queues everything in the order it was said, so that a flush is a barrier."""

    transport: Transport

    def __post_init__(self) -> None:
        self.log_file = self.transport.log_file
        # Told by the app, or learned from the first unit: here Faust's timer moves no position,
        # not even past an event whose step failed before it opened a unit.
        self.unit_order = UnitOrder(getattr(self.app, "unit_topics", ()))
        self.opened: Unit | None = None
        self._keyless = count()
        self._tables: dict[str, Any] = {}
        self._loop_of_unit: asyncio.AbstractEventLoop | None = None

    async def on_start(self) -> None:
        """Remember the loop in which units are settled."""
        await super().on_start()
        self._loop_of_unit = asyncio.get_running_loop()

    async def on_stop(self) -> None:
        """Make everything durable; the producer is the last of the driver to stop."""
        await self.flush()
        await super().on_stop()
        self.transport.close_log()

    # -- units

    def unit(self, message: Message) -> Unit:
        """A unit for the step that handles this message; see `Unit`."""
        return Unit(self, message)

    def open_unit(self, unit: Unit) -> None:
        """Called by the unit when its block begins."""
        if self.opened is not None:
            text = "a unit is open already: something was awaited inside it, or units are nested"
            raise RuntimeError(text)
        self.unit_order.check(unit.message)
        self.opened = unit

    def queue_unit(self, unit: Unit) -> None:
        """Called by the unit when its block ends well."""
        self._leave(unit)
        message = unit.message
        topic = self.log_file.catalog.get(message.topic)
        group = self.transport.group_of(message.topic)
        position = group, topic.partition_ids[message.partition], message.offset + 1
        element = Element(rows=unit.rows, positions=(position,), size_bytes=size_of(unit.rows))
        if unit.changes:
            element.loop = self._loop_of_unit
            element.settled = _settle_changes(unit.changes)
        self.log_file.enqueue(element)
        self.unit_order.done(message)

    def drop_unit(self, unit: Unit) -> None:
        """Called by the unit when its block was left by an exception."""
        self._leave(unit)
        self.unit_order.failed(unit.message)
        for undo in reversed(unit.undo):
            undo()

    def _leave(self, unit: Unit) -> None:
        if self.opened is not unit:
            text = "this unit is not the open one"
            raise RuntimeError(text)
        self.opened = None

    async def room(self) -> None:
        """Return at once, or when the writer has caught up to its limit."""
        backlog = self.log_file.backlog
        while not backlog.has_room():
            await backlog.room()

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        """Append records that belong to no step; see `streams.ports.Appender`."""
        return await self.log_file.append(records)

    # -- Faust's own way to send

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> Awaitable[RecordMetadata]:
        """Queue a record; the future is done when it is durable."""
        row, tp = self._row(topic, key, value, partition, headers)
        future: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()

        def settled(element: Element, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(_metadata(tp, element, 0))
            else:
                future.set_exception(error)

        self._queue_row(row, settled)
        return future

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> RecordMetadata:
        """Queue a record and wait until it is durable."""
        return await (await self.send(topic, key, value, partition, timestamp, headers))

    def send_soon(self, fut: FutureMessage) -> None:
        """Take in a table change: into the open unit, or on its own when there is none."""
        pending = fut.message
        topic = pending.topic or pending.channel.get_topic_name()
        row_must_fit(topic, pending.key, pending.value)
        row, _ = self._row(topic, pending.key, pending.value, pending.partition, pending.headers)
        table = self._table_of(topic)
        written = None if table is None else table.data.write(row)
        if self.opened is not None:
            self.opened.change(row, fut, written)
        else:
            self._queue_row(row, _settle_changes([Change(0, fut, written)]))

    def _table_of(self, topic: str) -> Any:
        """The table whose changelog this is, if it is one."""
        if topic not in self._tables and topic in self.app.tables.changelog_topics:
            for table in self.app.tables.values():
                self._tables[table.changelog_topic.get_topic_name()] = table
        return self._tables.get(topic)

    def _queue_row(self, row: Row, settled: Any) -> None:
        rows = (row,)
        self.log_file.enqueue(
            Element(
                rows=rows,
                size_bytes=size_of(rows),
                loop=asyncio.get_running_loop(),
                settled=settled,
            )
        )

    def _row(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        headers: HeadersArg | None,
    ) -> tuple[Row, TP]:
        found = self.topic(topic)
        if partition is None:
            partition = self._partition(key, found.partitions)
        packed = None
        if headers:
            packed = pack_headers(headers.items() if isinstance(headers, Mapping) else headers)
        return (found.partition_ids[partition], key, value, packed), TP(topic, partition)

    def row_of(self, record: Record) -> Row:
        """A record as a row for the writer."""
        topic = self.log_file.catalog.get(record.topic)
        partition_id = topic.partition_ids[partition_of(record.key, topic.partitions)]
        headers = pack_headers(record.headers) if record.headers else None
        return partition_id, record.key, record.value, headers

    def _partition(self, key: bytes | None, partitions: int) -> int:
        if key is None:
            return next(self._keyless) % partitions
        return partition_of(key, partitions)

    async def flush(self) -> None:
        """Return when everything sent so far is durable."""
        await self.log_file.barrier()

    async def create_topic(
        self,
        topic: str,
        partitions: int,
        replication: int,
        *,
        config: Mapping[str, Any] | None = None,
        timeout: Any = 1000.0,
        retention: Any = None,
        compacting: bool | None = None,
        deleting: bool | None = None,
        ensure_created: bool = False,
    ) -> None:
        """Declare a topic; one that exists keeps its rules."""
        if topic in self.app.tables.changelog_topics:
            self.log_file.create_topic(topic, partitions, is_table=True)
        elif self.log_file.catalog.find(topic) is None:
            seconds = None if retention is None else int(float(retention))
            self.log_file.create_topic(topic, partitions, bool(compacting), seconds)

    def topic(self, name: str) -> Topic:
        """The topic, made as Faust would declare it when nobody has."""
        found = self.log_file.catalog.find(name)
        if found is None:
            is_table = name in self.app.tables.changelog_topics
            partitions = self.app.conf.topic_partitions
            found = self.log_file.create_topic(name, partitions, is_table=is_table)
        return found

    def key_partition(self, topic: str, key: bytes) -> TP:
        """The partition of a key: the same as on Kafka."""
        found = self.topic(topic)
        return TP(topic, self._partition(key, found.partitions))

    def supports_headers(self) -> bool:
        """Records have headers here."""
        return True


def _metadata(tp: TP, element: Element, index: int) -> RecordMetadata:
    return RecordMetadata(
        topic=tp.topic,
        partition=tp.partition,
        topic_partition=tp,
        offset=element.offsets[index],
        timestamp=element.timestamps_ms[index] / 1000,
        timestamp_type=TIMESTAMP_OF_APPEND,
    )


def _settle_changes(changes: list[Change]) -> Any:
    """Tell Faust's tables where their changes stand, once they are durable."""

    def settled(element: Element, error: BaseException | None) -> None:
        if error is not None:
            return  # the log has stopped the process, or will refuse everything from now on
        for index, future, written in changes:
            if written is not None:
                written.settle()
            if future is None:
                continue
            pending = future.message
            tp = TP(pending.channel.get_topic_name(), pending.partition or 0)
            future.set_result(_metadata(tp, element, index))
            if pending.callback is not None:
                pending.callback(future)

    return settled
