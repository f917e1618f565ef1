"""A Faust table as a typed mapping: bytes below, domain values above; a dict is its fake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, ValuesView
from itertools import islice
from typing import Any, Generic, TypeVar

import faust

from streams.codecs import encode

V = TypeVar("V")


ROWS_PER_PIECE = 100


class TypedTable(MutableMapping[bytes, V], Generic[V]):
    """Change it only inside a step; replace values, never mutate them."""

    def __init__(
        self, rows: Any, *, decode: Callable[[bytes], V], remembered_bytes_max: int = 0
    ) -> None:
        """`rows` is a table of Faust's; two of us may read different keys of one.

        Values whose rows have so many bytes together need not be decoded when they are read again.
        """
        self._decode = decode
        self.rows = rows
        self._remembered: dict[bytes, tuple[bytes, V]] = {}
        self._remembered_bytes, self._remembered_bytes_max = 0, remembered_bytes_max

    def __getitem__(self, key: bytes) -> V:
        # Faust's own table would look twice, and tell its sensors of it.
        data = self.rows.data[key]
        known = self._remembered.get(key)
        if known is not None and known[0] == data:
            return known[1]
        value = self._decode(data)
        self._remember(key, data, value)
        return value

    def _remember(self, key: bytes, data: bytes, value: V) -> None:
        """What the row says decides whenever it is read: nobody need tell of a change."""
        if len(data) > self._remembered_bytes_max:
            return
        self._remembered_bytes += len(data)
        if self._remembered_bytes > self._remembered_bytes_max:
            self._remembered.clear()
            self._remembered_bytes = len(data)
        self._remembered[key] = data, value

    def __setitem__(self, key: bytes, value: V) -> None:
        data = encode(value)
        self._remember(key, data, value)
        if not self._write_with_step(key, data):
            self.rows[key] = data

    def __delitem__(self, key: bytes) -> None:
        if key not in self.rows.data:
            raise KeyError(key)
        self._remembered.pop(key, None)
        if not self._write_with_step(key, None):
            del self.rows[key]

    def _write_with_step(self, key: bytes, data: bytes | None) -> bool:
        """Faust's way makes four objects and three calls of each row; the embedded log has one."""
        write = getattr(self.rows.data, "write_with_step", None)
        return write is not None and write(key, data)

    def __contains__(self, key: object) -> bool:
        return key in self.rows.data

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def values(self) -> ValuesView[V]:
        """Values, read in pieces instead of one by one."""
        return _Values(self, self._decode)

    def some(self, first: bytes, until: bytes, limit: int) -> list[tuple[bytes, V]]:
        """Up to `limit` rows from a key on and before another, in key order; none at the end."""
        rows = self.rows.data.some(first, until, limit)
        return [(key, self._decode(value)) for key, value in rows]

    def pieces(self) -> Iterator[list[bytes]]:
        """Values as they are stored; each piece is what stands there when it is asked for."""
        pieces = getattr(self.rows.data, "pieces", None)
        if pieces is not None:
            return ([value for _, value in piece] for piece in pieces())
        return _in_pieces(iter(tuple(self.rows.data.values())))


def rows_of(app: faust.App, name: str, *, partitions: int) -> Any:
    """Declare a table of Faust's with bytes for its keys and values."""
    # Named by the table alone, so that stages can share a process or not.
    changelog = app.topic(
        f"{name}-changelog",
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        compacting=True,
        deleting=False,
        internal=True,
        acks=False,
    )
    return app.Table(
        name,
        key_type=bytes,
        value_type=bytes,
        partitions=partitions,
        changelog_topic=changelog,
    )


def _in_pieces(values: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Faust's own stores hand out all of their rows at one moment."""
    while piece := list(islice(values, ROWS_PER_PIECE)):
        yield piece


class _Values(ValuesView[V]):
    def __init__(self, table: TypedTable[V], decode: Callable[[bytes], V]) -> None:
        super().__init__(table)
        self._table, self._decode = table, decode

    def __iter__(self) -> Iterator[V]:
        return (self._decode(value) for piece in self._table.pieces() for value in piece)
