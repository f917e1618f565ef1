"""What the table stores of both drivers share: rows that change by changelog records only."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any, Generic, TypeVar, cast

from faust import current_event
from faust.stores import base

StoreT = TypeVar("StoreT", bound="RecordStore")


class RecordStore(base.Store[bytes, bytes]):
    """A mapping in which a row is `dirty` from its changelog record on until that is durable.

    Faust changes a store after it has sent the record, and the driver's producer has written the
    row by then: a change that no record carries is refused.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if (self.key_type, self.value_type) != (bytes, bytes):
            message = f"table {self.table_name} must have keys and values of bytes"
            raise TypeError(message)
        self.dirty: dict[bytes, DirtyRow[Any]] = {}
        self.changelog_name: str = self.table.changelog_topic.get_topic_name()

    @abstractmethod
    def find(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""

    @abstractmethod
    def pieces(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """All rows; each piece is what stands there at the moment when it is asked for."""

    @abstractmethod
    def some(self, first: bytes, until: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows from a key on and before another, in key order; none at the end.

        All of them stand in one partition, as keys of one beginning do.
        """

    def with_dirty(
        self,
        rows: list[tuple[bytes, bytes]],
        partition: int,
        first: bytes,
        until: bytes,
        limit: int,
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """Durable rows with those that are newer, and where to go on, if there may be more.

        Newer ones of this partition alone: those of another one would pass for all that it has.
        """
        more = rows[-1][0] + b"\x00" if len(rows) == limit else None
        end = more or until
        newer = {
            key: row.value
            for key, row in self.dirty.items()
            if row.partition == partition and first <= key < end
        }
        if not newer:
            return rows, more
        merged: dict[bytes, bytes | None] = {**dict(rows), **newer}
        return [(key, value) for key, value in sorted(merged.items()) if value is not None], more

    def partition_of_step(self) -> int | None:
        """The partition of the step that is under way; None where none is.

        A timer or a task that a step began has its event still, long after the step: only an open
        unit says that the step is not over.
        """
        event = current_event()
        if event is None or cast("Any", self.app.producer).opened is None:
            return None
        return event.message.partition

    # -- writing

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._must_be_written(key, value or None)

    def __delitem__(self, key: bytes) -> None:
        self._must_be_written(key, None)

    def update(self, *changes: Any, **named: Any) -> None:
        """Faust says this after it has sent the records."""
        for key, value in dict(*changes, **named).items():
            self[key] = value

    def clear(self) -> None:
        """Faust says this after it has sent the records."""
        for key in self:
            del self[key]

    def _must_be_written(self, key: bytes, value: bytes | None) -> None:
        """Faust changes the store right after it has sent the record, which wrote the row."""
        written = self.dirty.get(key)
        if written is None or written.value != value:
            message = "change the table, not its store: no record carries this change"
            raise RuntimeError(message)

    # -- reading

    def __getitem__(self, key: bytes) -> bytes:
        value = self.find(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return self.find(cast("bytes", key)) is not None

    def __iter__(self) -> Iterator[bytes]:
        return (key for piece in self.pieces() for key, _ in piece)

    def keys(self) -> KeysView[bytes]:
        """Keys in the order of `pieces`, and read in them."""
        return KeysView(self)

    def values(self) -> ValuesView[bytes]:
        """Values in the order of `pieces`, and read in them."""
        return _Values(self)

    def items(self) -> ItemsView[bytes, bytes]:
        """Rows in the order of `pieces`, and read in them."""
        return _Items(self)


class DirtyRow(Generic[StoreT]):
    """A row that is not durable yet; None stands for no row."""

    __slots__ = ("before", "key", "owner", "partition", "value")

    def __init__(self, store: StoreT, partition: int, key: bytes, value: bytes | None) -> None:
        """Take the place of what was written before, if that is not durable either."""
        self.owner, self.before = store, store.dirty.get(key)
        self.partition, self.key, self.value = partition, key, value
        store.dirty[key] = self

    def undo(self) -> None:
        """The step failed: what was before holds again, and nothing happened in between."""
        if self.before is None:
            del self.owner.dirty[self.key]
        else:
            self.owner.dirty[self.key] = self.before


class _Values(ValuesView[bytes]):
    def __init__(self, store: RecordStore) -> None:
        super().__init__(store)
        self.owner = store

    def __iter__(self) -> Iterator[bytes]:
        return (value for piece in self.owner.pieces() for _, value in piece)


class _Items(ItemsView[bytes, bytes]):
    def __init__(self, store: RecordStore) -> None:
        super().__init__(store)
        self.owner = store

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return (row for piece in self.owner.pieces() for row in piece)
