"""The table store of the embedded log: rows in the log file, and in memory what is in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from faust.types import EventT
from faust.types.tuples import TP

from connectors.log.elements import Row
from connectors.log.limits import row_must_fit
from connectors.log.recordstore import DirtyRow, RecordStore
from connectors.log.rowcache import RowCache
from connectors.log.rows import Rows

if TYPE_CHECKING:
    from connectors.log.producer import Producer
    from connectors.log.transport import Transport

ROWS_PER_PIECE = 100
"""So many rows are read at once when a table is gone through."""


class Store(RecordStore):
    """A mapping whose rows become durable in the transaction of the records that changed them.

    A row is written by its changelog record (`write`, called by the producer) and is `dirty` until
    that record is durable; then the file has it. A key belongs to one partition: that of the
    event whose step writes it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cache = RowCache()
        self._partition_ids: tuple[int, ...] = ()
        self._warm = False

    # -- writing

    def write(self, row: Row) -> _Dirty:
        """Take in the row of a changelog record that is about to be queued."""
        partition_id, key, value, _ = row
        if key is None:
            message = f"a row of table {self.table_name} has no key"
            raise TypeError(message)
        # The cache keeps what the file has until the record is durable.
        return _Dirty(self, partition_id, key, value or None)

    def write_with_step(self, key: bytes, value: bytes | None) -> bool:
        """Write, or with None remove, a row in the open unit; false when no step is under way.

        The partition is that of the step's own event, as with Faust's tables. Raises `OverLimit`
        for a row that is more than the log takes.
        """
        unit, partition = cast("Producer", self.app.producer).opened, self.partition_of_step()
        if unit is None or partition is None:
            return False
        row_must_fit(self.changelog_name, key, value)
        row = self._ids()[partition], key, value, None
        unit.write(row, self.write(row))
        return True

    # -- reading

    def find(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        written = self.dirty.get(key)
        if written is not None:
            return written.value
        if not self._warm:
            self._warm_up()
        known, value = self.cache.find(key)
        if not known:
            value = self._rows.find(self._where(), key)
            self.cache.keep(key, value)
        return value

    def _warm_up(self) -> None:
        """Know all rows from the start where they fit: most look-ups are for keys without one."""
        ids = self._ids()
        if ids:
            with closing(self._rows.each(ids)) as rows:
                self.cache.fill(rows)
            self._warm = True

    def _where(self) -> tuple[int, ...]:
        """Where a key can be: a step looks for rows of its own event's partition only."""
        ids, partition = self._ids(), self.partition_of_step()
        return ids if partition is None or not ids else ids[partition:][:1]

    def __len__(self) -> int:
        dirty = self.dirty.values()
        total = self._rows.count(self._ids(), without=tuple(self.dirty))
        return total + sum(written.value is not None for written in dirty)

    def pieces(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """All rows; each piece is what stands there at the moment when it is asked for."""
        for partition_id in self._ids():
            first = b""
            while True:
                rows = self._rows.some(partition_id, first, ROWS_PER_PIECE)
                until = rows[-1][0] if len(rows) == ROWS_PER_PIECE else None
                yield self._merged(partition_id, rows, first, until)
                if until is None:
                    break
                first = until + b"\x00"

    def some(self, first: bytes, until: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """See `RecordStore`."""
        for partition_id in self._where():
            begin: bytes | None = first
            while begin is not None:
                durable = self._rows.between(partition_id, begin, until, limit)
                rows, more = self.with_dirty(durable, partition_id, begin, until, limit)
                if rows:
                    return rows
                begin = more
        return []

    def _merged(
        self, partition_id: int, rows: list[tuple[bytes, bytes]], first: bytes, until: bytes | None
    ) -> list[tuple[bytes, bytes]]:
        newer = {
            key: written.value
            for key, written in self.dirty.items()
            if written.partition == partition_id
            and first <= key
            and (until is None or key <= until)
        }
        if not newer:
            return rows
        merged: dict[bytes, bytes | None] = {**dict(rows), **newer}
        return [(key, value) for key, value in sorted(merged.items()) if value is not None]

    @property
    def _rows(self) -> Rows:
        return cast("Transport", self.app.transport).log_file.rows

    def _ids(self) -> tuple[int, ...]:
        """The partitions of the table, once its changelog was declared."""
        if not self._partition_ids:
            topic = cast("Transport", self.app.transport).log_file.catalog.find(self.changelog_name)
            if topic is not None:
                self._partition_ids = topic.partition_ids
        return self._partition_ids

    # -- recovery, of which there is none

    def persisted_offset(self, tp: TP) -> int | None:
        """The last offset: what is durable in the changelog is durable in the table."""
        return cast("Transport", self.app.transport).log_file.end(tp.topic, tp.partition) - 1

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],
        newly_assigned: set[TP],
        generation_id: int = 0,
    ) -> None:
        """Another process may have written while the group was not ours."""
        self.cache.clear()
        self._warm = False

    def apply_changelog_batch(
        self,
        batch: Iterable[EventT[Any]],
        to_key: Callable[[Any], Any],
        to_value: Callable[[Any], Any],
    ) -> None:
        """Nothing is ever left to apply: see `persisted_offset`."""

    def reset_state(self) -> None:
        """There is no state outside the log."""

    async def backup_partition(
        self, tp: TP | int, flush: bool = True, purge: bool = False, keep: int = 1
    ) -> None:
        """Whoever copies the log file copies the tables."""

    def restore_backup(self, tp: TP | int, latest: bool = True, backup_id: int = 0) -> None:
        """Whoever copies the log file copies the tables."""


class _Dirty(DirtyRow[Store]):
    """A row on its way into the file; its partition is known by the log's own number."""

    __slots__ = ()

    def settle(self) -> None:
        """The record is durable: from now on the file has the row, or a newer one is on its way."""
        self.before = None
        if self.owner.dirty.get(self.key) is self:
            del self.owner.dirty[self.key]
            self.owner.cache.keep(self.key, self.value)
