"""The writer thread: everything that queued up while the last commit was made is the next one."""

from __future__ import annotations

import json
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Container, Iterable
from contextlib import closing, suppress
from typing import NamedTuple

from connectors.log.elements import Element
from connectors.log.gate import Gate
from connectors.log.places import place_of
from streams.clock import Clock, monotonic_seconds

RECORDS_PER_COMMIT_MAX = 10_000
BUSY_ELEMENTS = 3
"""So many elements in one commit say that more are on their way..."""
PACE_SECONDS = 0.0005
"""...and then waiting so long for as many again costs less than another transaction for each..."""
PACE_SECONDS_MAX = 0.005
"""...but a notice passes three commits, and none of them may keep it longer than this."""
CLOCK_BEHIND_MS_MAX = 1_000
CLOCK_WARNINGS_SECONDS = 60.0
_ROWS_PER_STATEMENT = 128
_ROWS_PER_SMALL_STATEMENT = 16

logger = logging.getLogger("keshikomi")


class Writer:
    """One thread and one connection that make elements durable in the order they came.

    `committed` is called in the thread after each commit with its elements and whether it added
    records; `failed` after a transaction that was undone, and says by its result whether the
    thread goes on.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], sqlite3.Connection],
        gate: Gate,
        clock: Clock,
        table_partitions: Container[int],
        committed: Callable[[list[Element], bool], None],
        failed: Callable[[list[Element], BaseException], bool],
    ) -> None:
        self._connect, self._gate, self._clock = connect, gate, clock
        self._table_partitions = table_partitions
        self._committed, self._failed = committed, failed
        self._queue: queue.SimpleQueue[Element | None] = queue.SimpleQueue()
        self._next_offsets: dict[int, int] = {}
        self._timestamps_ms: dict[int, int] = {}
        self._ends_known = False
        self._warn_again_at = 0.0
        self._closing = False
        self._pace = threading.Event()
        self.commits = 0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def put(self, element: Element) -> None:
        """Queue an element; never blocks."""
        self._queue.put(element)

    def close(self) -> list[Element]:
        """Make everything queued durable and end the thread; returns what came too late."""
        self._queue.put(None)
        self._thread.join()
        late: list[Element] = []
        with suppress(queue.Empty):
            while True:
                element = self._queue.get_nowait()
                if element is not None:
                    late.append(element)
        return late

    def _run(self) -> None:
        try:
            with closing(self._connect()) as connection:
                while not self._closing:
                    batch = self._take()
                    if batch and not self._write(connection, batch):
                        self._refuse_the_rest()
                    if len(batch) >= BUSY_ELEMENTS:
                        self._pace.wait(min(PACE_SECONDS * len(batch), PACE_SECONDS_MAX))
        except Exception as error:  # noqa: BLE001  # our own bug: fail-stop, never a silent thread
            self._failed([], error)
            self._refuse_the_rest()

    def _take(self) -> list[Element]:
        """Everything queued, up to the limit of one commit; waits for the first."""
        batch: list[Element] = []
        records = 0
        element = self._queue.get()
        while True:
            if element is None:
                self._closing = True
                return batch
            batch.append(element)
            records += len(element.rows)
            if records >= RECORDS_PER_COMMIT_MAX:
                return batch
            try:
                element = self._queue.get_nowait()
            except queue.Empty:
                return batch

    def _write(self, connection: sqlite3.Connection, batch: list[Element]) -> bool:
        try:
            added = self._transact(connection, batch)
        except Exception as error:  # noqa: BLE001  # becomes fail-stop or a refusal in `failed`
            return self._failed(batch, error)
        self.commits += 1
        self._committed(batch, added)
        return True

    def _refuse_the_rest(self) -> None:
        """After a failure that is final: nothing queued is written any more, each is told so."""
        while not self._closing:
            batch = self._take()
            if batch:
                self._failed(batch, sqlite3.OperationalError("the log stopped writing"))

    def _transact(self, connection: sqlite3.Connection, batch: list[Element]) -> bool:
        changed = self._gate.enter()
        try:
            connection.execute("BEGIN IMMEDIATE")
            if changed or not self._ends_known:
                self._forget_ends()
            self._load_ends(connection, batch)
            added = self._insert(connection, batch)
            connection.execute("COMMIT")
        except BaseException:
            self._ends_known = False
            with suppress(sqlite3.Error):  # the first error is the one that says what happened
                connection.execute("ROLLBACK")
            raise
        finally:
            self._gate.leave()
        return added

    def _forget_ends(self) -> None:
        self._next_offsets.clear()
        self._timestamps_ms.clear()
        self._ends_known = True

    def _load_ends(self, connection: sqlite3.Connection, batch: list[Element]) -> None:
        """Look up where the partitions of this batch end, as far as nobody has told us."""
        known = self._next_offsets
        wanted = {row[0] for element in batch for row in element.rows if row[0] not in known}
        if not wanted:
            return
        # One row on purpose: the thread gives up the interpreter lock once per row.
        places = ",".join("?" * len(wanted))
        text = connection.execute(_LOAD_ENDS.format(places), tuple(wanted)).fetchone()[0]
        for partition_id, offset, timestamp_ms in json.loads(text):
            self._next_offsets[partition_id] = offset
            self._timestamps_ms[partition_id] = timestamp_ms

    def _insert(self, connection: sqlite3.Connection, batch: list[Element]) -> bool:
        positions: dict[tuple[str, int], int] = {}
        for element in batch:
            for group, partition_id, position in element.positions:
                name = group, partition_id
                positions[name] = max(position, positions.get(name, 0))
        log, tables, touched = self._give_offsets(batch)
        _run_many(connection, _LOG, log)
        kept = [item for item in tables.items() if item[1]]
        _run_many(connection, _KEEP, [part for (place, value) in kept for part in (*place, value)])
        gone = (part for place, value in tables.items() if not value for part in place)
        _run_many(connection, _FORGET, gone)
        ends = (
            value
            for each in touched
            for value in (each, self._next_offsets[each], self._timestamps_ms[each])
        )
        _run_many(connection, _ENDS, ends)
        moved = (value for (g, p), n in positions.items() for value in (g, p, n))
        _run_many(connection, _POSITIONS, moved)
        return bool(log)

    def _give_offsets(
        self, batch: list[Element]
    ) -> tuple[list[object], dict[tuple[int, bytes | None], bytes | None], set[int]]:
        """What goes into the log, what into tables, and the partitions that grew."""
        now_ms = int(self._clock().timestamp() * 1000)
        next_offsets, timestamps_ms = self._next_offsets, self._timestamps_ms
        table_partitions = self._table_partitions
        touched: set[int] = set()
        log: list[object] = []
        tables: dict[tuple[int, bytes | None], bytes | None] = {}
        for element in batch:
            element.offsets = []
            element.timestamps_ms = []
            for partition_id, key, value, headers in element.rows:
                offset = next_offsets.get(partition_id, 0)
                timestamp_ms = max(now_ms, timestamps_ms.get(partition_id, 0))
                next_offsets[partition_id] = offset + 1
                timestamps_ms[partition_id] = timestamp_ms
                touched.add(partition_id)
                element.offsets.append(offset)
                element.timestamps_ms.append(timestamp_ms)
                if partition_id in table_partitions:
                    tables[partition_id, key] = value  # the last one of a transaction counts
                else:
                    log += (place_of(partition_id, offset), timestamp_ms, key, value, headers)
        self._compare_clocks(now_ms, touched)
        return log, tables, touched

    def _compare_clocks(self, now_ms: int, touched: Iterable[int]) -> None:
        """Warn while the log is ahead: deadlines go by its time, which stands still then."""
        ahead_ms = max((self._timestamps_ms[each] for each in touched), default=now_ms) - now_ms
        if ahead_ms > CLOCK_BEHIND_MS_MAX and monotonic_seconds() >= self._warn_again_at:
            self._warn_again_at = monotonic_seconds() + CLOCK_WARNINGS_SECONDS
            logger.warning(
                "the clock of this machine is %.1f s behind the latest record of the log: it was "
                "set back, or was wrong before; until it has caught up, invoices may expire early",
                ahead_ms / 1_000,
            )


_LOAD_ENDS = (
    "SELECT json_group_array(json_array(partition_id, next_offset, timestamp_ms)) FROM ends"
    " WHERE partition_id IN ({})"
)


class _Statement(NamedTuple):
    """A statement over many rows."""

    start: str
    row: str
    between: str
    end: str


_LOG = _Statement(
    "INSERT INTO log (place, timestamp_ms, key, value, headers) VALUES ", "(?,?,?,?,?)", ",", ""
)
_KEEP = _Statement(
    "INSERT INTO table_rows (partition_id, key, value) VALUES ",
    "(?,?,?)",
    ",",
    " ON CONFLICT (partition_id, key) DO UPDATE SET value = excluded.value",
)
# One index search per pair; SQLite scans the whole table for a list of pairs.
_FORGET = _Statement("DELETE FROM table_rows WHERE ", "(partition_id = ? AND key = ?)", " OR ", "")
_ENDS = _Statement(
    "INSERT INTO ends (partition_id, next_offset, timestamp_ms) VALUES ",
    "(?,?,?)",
    ",",
    (
        " ON CONFLICT (partition_id) DO UPDATE SET"
        " next_offset = excluded.next_offset, timestamp_ms = excluded.timestamp_ms"
    ),
)
_POSITIONS = _Statement(
    "INSERT INTO positions (group_name, partition_id, next_offset) VALUES ",
    "(?,?,?)",
    ",",
    (
        " ON CONFLICT (group_name, partition_id) DO UPDATE SET"
        " next_offset = max(next_offset, excluded.next_offset)"
    ),
)


def _run_many(
    connection: sqlite3.Connection, statement: _Statement, values: Iterable[object]
) -> None:
    """Run a statement for many rows at a time.

    The interpreter lock is given up once per statement, and a busy event loop gives it back
    late: with one statement per row a commit of a few thousand rows took seconds.
    """
    flat = list(values)
    start, row, between, end = statement
    columns = row.count("?")
    done, total = 0, len(flat) // columns
    while done < total:
        left = total - done
        if left >= _ROWS_PER_STATEMENT:
            count = _ROWS_PER_STATEMENT
        elif left > _ROWS_PER_SMALL_STATEMENT:
            count = left - left % _ROWS_PER_SMALL_STATEMENT
        else:
            count = left
        text = start + between.join([row] * count) + end
        connection.execute(text, flat[done * columns : (done + count) * columns])
        done += count
