"""Upkeep of the log file: compaction, retention and checkpoints, in steps too short to notice."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from connectors.log.catalog import Catalog, Topic
from connectors.log.gate import Gate
from connectors.log.places import place_of
from connectors.log.schema import connect
from streams.clock import Clock, monotonic_seconds

TOMBSTONE_DELAY_SECONDS = 24 * 60 * 60
DIRTY_RECORDS_MIN = 1_000
"""A partition is not compacted for fewer new records than this, nor for fewer than it kept."""

CHECKPOINT_BYTES = 48 * 1024
"""A checkpoint's fsync holds up the commits beside it: 4 MiB at once meant 40 ms for whoever came
then, once in 256 notices; small ones are lost in the noise (200/s: p99 32 ms became 7)."""
WAL_BYTES_LARGE = 32 * 1024 * 1024
"""Above this the last part of a checkpoint holds writers back, so that the file starts over."""

_BUSY_MS = 50
_ROWS_READ_AT_ONCE = 2_000
_ROWS_DELETED_FIRST = 50
_ROWS_DELETED_MAX = 500
_STEP_SECONDS = 0.008

logger = logging.getLogger(__name__)


class Maintenance:
    """One thread for checkpoints, and the methods that delete; both on connections of their own."""

    def __init__(self, path: Path, gate_path: Path, catalog: Catalog, clock: Clock) -> None:
        self._path, self._catalog, self._clock = path, catalog, clock
        self._gate = Gate(gate_path)
        self._turn = path.with_name(path.name + ".maintenance")
        self._lock = threading.Lock()
        self._connection = connect(path, durable=False, busy_ms=_BUSY_MS)
        self._rows_deleted = _ROWS_DELETED_FIRST
        self._bytes_written = 0
        self._wanted = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log-checkpoint", daemon=True)
        self._thread.start()

    # -- checkpoints

    def written(self, size_bytes: int) -> None:
        """Told by the writer after each commit, so that checkpoints follow the writing."""
        self._bytes_written += size_bytes
        if self._bytes_written >= CHECKPOINT_BYTES:
            self._bytes_written = 0
            self._wanted.set()

    def _run(self) -> None:
        connection = connect(self._path, durable=False, busy_ms=_BUSY_MS)
        try:
            while self._wanted.wait() and not self._closing:
                self._wanted.clear()
                try:
                    self.checkpoint(connection)
                except sqlite3.Error as error:
                    # Nothing is lost: the records stay in the write-ahead log until a later one.
                    logger.warning("a checkpoint of the log did not finish: %r", error)
        finally:
            connection.close()

    def checkpoint(self, connection: sqlite3.Connection) -> None:
        """Fold the write-ahead log into the file without holding writers back, if possible."""
        with self._turn_taken(".checkpoint") as mine:
            if not mine:
                return
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            wal = self._path.with_name(self._path.name + "-wal")
            if wal.exists() and wal.stat().st_size > WAL_BYTES_LARGE:
                with self._gate.held():
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @contextmanager
    def _turn_taken(self, suffix: str) -> Iterator[bool]:
        """One process at a time; the others need not wait for what is being done already."""
        file = os.open(str(self._turn) + suffix, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(file)

    # -- deleting

    def maintain(self) -> None:
        """Compact and expire every topic by its own rules, then checkpoint."""
        try:
            for topic in self._catalog.all():
                if topic.retention_seconds is not None:
                    self.expire(topic.name)
                if topic.compacted:
                    self.compact(topic.name, only_if_dirty=True)
            with self._lock:
                self.checkpoint(self._connection)
        except sqlite3.Error as error:
            # Deleting is never urgent, and what was not deleted now is found again next time.
            logger.warning("the upkeep of the log did not finish: %r", error)

    def expire(self, name: str) -> int:
        """Delete records older than the retention that every group has read."""
        topic = self._catalog.get(name)
        if topic.retention_seconds is None:
            return 0
        before_ms = self._now_ms() - topic.retention_seconds * 1000
        deleted = 0
        with self._lock, self._turn_taken(".delete") as mine:
            for partition_id in topic.partition_ids if mine else ():
                deleted += self._expire_partition(partition_id, before_ms)
        return deleted

    def _expire_partition(self, partition_id: int, before_ms: int) -> int:
        """Delete from the oldest on until one is young enough: times never go back."""
        end = self._read_to(partition_id) or 0
        deleted = 0
        while places := self._column(
            "SELECT place FROM (SELECT place, timestamp_ms FROM log"
            " WHERE place >= ? AND place < ? ORDER BY place LIMIT ?) WHERE timestamp_ms < ?",
            place_of(partition_id, 0),
            place_of(partition_id, end),
            _ROWS_READ_AT_ONCE,
            before_ms,
        ):
            deleted += self._delete(places)
        return deleted

    def compact(self, name: str, *, only_if_dirty: bool = False) -> int:
        """Keep the newest record of each key; forget keys whose newest is an old tombstone."""
        topic = self._catalog.get(name)
        deleted = 0
        with self._lock, self._turn_taken(".delete") as mine:
            for partition_id in topic.partition_ids if mine else ():
                end = self._end(partition_id)
                if (needed_from := self._read_to(partition_id)) is not None:
                    end = min(end, needed_from)
                if not only_if_dirty or self._is_dirty(partition_id, end):
                    deleted += self._compact_partition(topic, partition_id, end)
        return deleted

    def _is_dirty(self, partition_id: int, end: int) -> bool:
        row = self._connection.execute(
            "SELECT clean_to, kept FROM compactions WHERE partition_id = ?", (partition_id,)
        ).fetchone()
        clean_to, kept = row or (0, 0)
        return bool(end - clean_to >= max(DIRTY_RECORDS_MIN, kept))

    def _compact_partition(self, topic: Topic, partition_id: int, end: int) -> int:
        tombstones_before_ms = self._now_ms() - TOMBSTONE_DELAY_SECONDS * 1000
        seen: set[bytes] = set()
        kept = deleted = 0
        tail = place_of(partition_id, self._end(partition_id) - 1)
        until = place_of(partition_id, end)
        first = place_of(partition_id, 0)
        while rows := self._connection.execute(
            "SELECT place, timestamp_ms, key, value IS NULL OR value = x'' FROM log"
            " WHERE place >= ? AND place < ? ORDER BY place DESC LIMIT ?",
            (first, until, _ROWS_READ_AT_ONCE),
        ).fetchall():
            until = rows[-1][0]
            superseded: list[int] = []
            for place, timestamp_ms, key, is_tombstone in rows:
                # The last record of a partition stays, whatever it is: whoever reads up to the
                # end waits for it.
                old = bool(is_tombstone) and timestamp_ms < tombstones_before_ms and place != tail
                if key is not None and (key in seen or old):
                    superseded.append(place)
                if key is not None:
                    seen.add(key)
            kept += len(rows) - len(superseded)
            deleted += self._delete(superseded)
        self._remember_clean(partition_id, end, kept)
        logger.debug("compacted %s: kept %d, deleted %d", topic.name, kept, deleted)
        return deleted

    def _remember_clean(self, partition_id: int, clean_to: int, kept: int) -> None:
        with self._gate.held():
            self._connection.execute(
                "INSERT OR REPLACE INTO compactions (partition_id, clean_to, kept)"
                " VALUES (?, ?, ?)",
                (partition_id, clean_to, kept),
            )

    def _delete(self, places: Sequence[int]) -> int:
        """Delete in steps of a few milliseconds, so that a commit in between hardly waits."""
        done = 0
        while done < len(places):
            step = places[done : done + self._rows_deleted]
            started = monotonic_seconds()
            with self._gate.held():
                self._connection.execute(
                    f"DELETE FROM log WHERE place IN ({','.join(map(str, step))})"  # noqa: S608  # integers only
                )
            took = monotonic_seconds() - started
            factor = 0.5 if took > _STEP_SECONDS else 1.5
            self._rows_deleted = max(1, min(int(len(step) * factor) + 1, _ROWS_DELETED_MAX))
            done += len(step)
        return done

    # -- what is needed

    def _read_to(self, partition_id: int) -> int | None:
        """The lowest offset that a group still has to read, or None before any group came."""
        lowest = self._connection.execute(
            "SELECT min(next_offset) FROM positions WHERE partition_id = ?", (partition_id,)
        ).fetchone()[0]
        return None if lowest is None else int(lowest)

    def _end(self, partition_id: int) -> int:
        row = self._connection.execute(
            "SELECT next_offset FROM ends WHERE partition_id = ?", (partition_id,)
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _column(self, statement: str, *values: int) -> list[int]:
        return [row[0] for row in self._connection.execute(statement, values).fetchall()]

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)

    def close(self) -> None:
        """End the thread and close the connections."""
        self._closing = True
        self._wanted.set()
        self._thread.join()
        with self._lock:
            self._connection.close()
        self._gate.close()
