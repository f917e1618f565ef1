"""The embedded log: topics in one SQLite file that several processes append to and read."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from queue import SimpleQueue

from connectors.log.backlog import Backlog
from connectors.log.bells import Bell, Bells
from connectors.log.catalog import Catalog, Topic
from connectors.log.elements import Element, Position, Row, settle_all, settle_future, size_of
from connectors.log.gate import Gate, Lease
from connectors.log.headers import pack_headers
from connectors.log.limits import must_fit
from connectors.log.maintenance import Maintenance
from connectors.log.places import partition_of, places_at
from connectors.log.reader import Reader, Stored
from connectors.log.rows import Rows
from connectors.log.schema import connect, prepare_file
from connectors.log.settling import call_soon
from connectors.log.writer import Writer
from streams.clock import Clock, monotonic_seconds, system_clock
from streams.domain.errors import Unavailable
from streams.ports import Place, Record

APPEND_WAIT_SECONDS_MAX = 2.0
SAY_AGAIN_SECONDS = 10.0
EXIT_CODE = 70

logger = logging.getLogger(__name__)

# After these the file is as it was: a full disk may have room again, a lock may be free again.
# After a failed fsync nobody knows what the disk holds, so that one is final.
_MAY_PASS = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")

OnFailure = Callable[[BaseException], None]
Listener = Callable[[Sequence[Element]], None]


def stop_process(error: BaseException) -> None:
    """End the process before any position can move past what was not written."""
    logger.critical("the log cannot be written, the process stops: %r", error)
    os._exit(EXIT_CODE)


class SqliteLog:
    """The log as one process sees it; `streams.ports.Appender` for whoever only appends.

    `on_failure` is called when a transaction fails, and the log is then closed for writing. With
    None it refuses what it could not write with `Unavailable` and goes on when the disk has room.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_failure: OnFailure | None = stop_process,
        backlog: Backlog | None = None,
        append_wait_seconds_max: float = APPEND_WAIT_SECONDS_MAX,
        clock: Clock = system_clock,
    ) -> None:
        self.path = path.absolute()
        self._on_failure = on_failure
        self._append_wait_seconds_max = append_wait_seconds_max
        self._stopped: BaseException | None = None
        self._say_again_at = 0.0
        self._closed = False
        self._gate = Gate(self._beside(".gate"))
        prepare_file(self.path, self._gate)
        self._bells = Bells(self._beside(".bells"))
        self._catalog_connection = connect(self.path)
        self._catalog_gate = Gate(self._beside(".gate"))
        self.catalog = Catalog(self._catalog_connection, self._catalog_gate)
        self.reader = Reader(connect(self.path, read_only=True))
        self.rows = Rows(lambda: connect(self.path, read_only=True))
        self.backlog = backlog or Backlog()
        self._listeners: list[Listener] = []
        self._maintenance = Maintenance(self.path, self._beside(".gate"), self.catalog, clock)
        self._writer = Writer(
            connect=lambda: connect(self.path),
            gate=self._gate,
            clock=clock,
            table_partitions=self.catalog.table_partitions,
            committed=self._committed,
            failed=self._failed,
        )

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    @property
    def commits(self) -> int:
        """How many transactions this process has made durable."""
        return self._writer.commits

    # -- topics

    def create_topic(
        self,
        name: str,
        partitions: int,
        compacted: bool = False,
        retention_seconds: int | None = None,
        *,
        is_table: bool = False,
    ) -> Topic:
        """Create a topic, or check that the one that exists has as many partitions.

        Of a table only the newest record of each key is kept, for `rows` and not for `fetch`.
        """
        return self.catalog.create(
            name,
            partitions,
            compacted=compacted,
            retention_seconds=retention_seconds,
            is_table=is_table,
        )

    # -- write side

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        """Append all records in one transaction; see `streams.ports.Appender`."""
        if not records:
            return ()
        must_fit(records)
        rows, places = self.rows_of(records)
        element = Element(rows=rows, size_bytes=size_of(rows))
        if not self.backlog.has_room(len(rows), element.size_bytes):
            await self._wait_for_room(len(rows), element.size_bytes)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[int]] = loop.create_future()
        element.loop, element.settled = loop, settle_future(future)
        self.enqueue(element)
        return places_at(places, await future)

    async def _wait_for_room(self, records: int, size_bytes: int) -> None:
        try:
            async with asyncio.timeout(self._append_wait_seconds_max):
                while not self.backlog.has_room(records, size_bytes):
                    await self.backlog.room()
        except TimeoutError:
            message = f"the log's queue is full: {self.backlog}"
            raise Unavailable(message) from None

    def enqueue(self, element: Element) -> None:
        """Queue an element without waiting; what was queued first is durable first."""
        if self._closed:
            message = "the log is closed"
            raise Unavailable(message)
        self.backlog.add(len(element.rows), element.size_bytes)
        self._writer.put(element)

    def rows_of(self, records: Iterable[Record]) -> tuple[list[Row], list[tuple[str, int]]]:
        """Records as rows for the writer, with the topic and partition of each."""
        rows: list[Row] = []
        places: list[tuple[str, int]] = []
        for record in records:
            topic = self.catalog.get(record.topic)
            partition = partition_of(record.key, topic.partitions)
            headers = pack_headers(record.headers) if record.headers else None
            rows.append((topic.partition_ids[partition], record.key, record.value, headers))
            places.append((record.topic, partition))
        return rows, places

    async def barrier(self, positions: Sequence[Position] = ()) -> None:
        """Return when everything queued before, and these positions, are durable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[int]] = loop.create_future()
        self.enqueue(Element(positions=positions, loop=loop, settled=settle_future(future)))
        await future

    def append_blocking(self, records: Sequence[Record]) -> Sequence[Place]:
        """Append like `append`, from a thread without an event loop."""
        must_fit(records)
        rows, places = self.rows_of(records)
        outcome: SimpleQueue[tuple[Element, BaseException | None]] = SimpleQueue()
        self.enqueue(
            Element(
                rows=rows,
                size_bytes=size_of(rows),
                settled=lambda element, error: outcome.put((element, error)),
            )
        )
        element, error = outcome.get()
        if error is not None:
            raise error
        return places_at(places, element.offsets)

    # -- the writer's thread

    def _committed(self, batch: list[Element], added: bool) -> None:
        try:
            if added:
                self._bells.ring()
                for listener in tuple(self._listeners):
                    listener(batch)
        finally:
            self._settle(batch, None)
        self._maintenance.written(sum(element.size_bytes for element in batch))

    def _failed(self, batch: list[Element], error: BaseException) -> bool:
        passing = getattr(error, "sqlite_errorname", "") in _MAY_PASS
        final = self._on_failure is not None or not passing
        if final and self._stopped is None:
            self._stopped = error
            logger.critical("the log stops writing: %r", error)
            if self._on_failure is not None:
                self._on_failure(error)
        elif monotonic_seconds() >= self._say_again_at:  # each call fails as long as it lasts
            self._say_again_at = monotonic_seconds() + SAY_AGAIN_SECONDS
            logger.error("the log refuses records, since it cannot be written: %r", error)
        refusal = Unavailable(f"the log cannot be written: {error}")
        refusal.__cause__ = error
        self._settle(batch, refusal)
        return not final

    def _settle(self, batch: list[Element], error: BaseException | None) -> None:
        records = sum(len(element.rows) for element in batch)
        self.backlog.take(records, sum(element.size_bytes for element in batch))
        by_loop: dict[asyncio.AbstractEventLoop, list[Element]] = {}
        for element in batch:
            if element.loop is not None:
                by_loop.setdefault(element.loop, []).append(element)
            elif element.settled is not None:
                element.settled(element, error)
        for loop, elements in by_loop.items():
            # One wake-up of the loop per commit; a loop that is closed waits for nothing.
            call_soon(loop, settle_all, elements, error)

    # -- read side

    def fetch(self, topic: str, partition: int, offset: int, limit: int) -> list[Stored]:
        """Durable records from an offset on."""
        return self.reader.fetch(self._partition_id(topic, partition), offset, limit)

    def end(self, topic: str, partition: int) -> int:
        """The offset that the partition's next record will have."""
        return self.reader.end(self._partition_id(topic, partition))

    def earliest(self, topic: str, partition: int) -> int:
        """The oldest offset still kept, or the end."""
        return self.reader.earliest(self._partition_id(topic, partition))

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        """The next offset that a group will read."""
        return self.reader.committed(group, self._partition_id(topic, partition))

    def _partition_id(self, topic: str, partition: int) -> int:
        return self.catalog.get(topic).partition_ids[partition]

    def listen(self, heard: Listener) -> None:
        """Tell `heard` in the writer's thread of each commit of this process."""
        self._listeners.append(heard)

    def ignore(self, heard: Listener) -> None:
        """Undo `listen`."""
        self._listeners.remove(heard)

    def hang_bell(self) -> Bell:
        """A bell that rings when another process added records."""
        return self._bells.hang()

    def lease(self, group: str) -> Lease:
        """The right to consume as this group."""
        return Lease(self._beside(".leases"), group)

    # -- upkeep

    def maintain(self) -> None:
        """Forget what may be forgotten and fold the write-ahead log in; call it periodically."""
        self._maintenance.maintain()

    def compact(self, topic: str) -> int:
        """Keep the newest record of each key; returns how many were deleted."""
        return self._maintenance.compact(topic)

    def expire(self, topic: str) -> int:
        """Delete what is older than the topic's retention; returns how many were deleted."""
        return self._maintenance.expire(topic)

    def close(self) -> None:
        """Make everything queued durable and close the file."""
        if self._closed:
            return
        self._closed = True
        late = self._writer.close()
        if late:
            self._settle(late, Unavailable("the log was closed"))
        self._maintenance.close()
        self.reader.close()
        self.rows.close()
        self._catalog_connection.close()
        self._catalog_gate.close()
        self._gate.close()
        self._bells.close()
