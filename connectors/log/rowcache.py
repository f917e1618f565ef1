"""The rows that a table used last, within limits of number and of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

ROWS_MAX = 50_000
BYTES_MAX = 48 * 1024 * 1024
"""For each table; a row that is not here costs some ten microseconds."""
FILL_BYTES_MAX = 16 * 1024 * 1024
"""So much is read at once at the start, while all else waits: some hundredths of a second."""
ROW_OVERHEAD_BYTES = 240
"""What a row costs in memory beside its key and its value."""


class RowCache:
    """Values by key, and None for keys that have no row; whoever is asked for last stays.

    While it holds every row there is, it is `complete`: a key that it does not know has no row.
    """

    def __init__(self, *, rows_max: int = ROWS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._rows_max, self._bytes_max = rows_max, bytes_max
        self._rows: OrderedDict[bytes, bytes | None] = OrderedDict()
        self.size_bytes = 0
        self.complete = False

    def fill(self, rows: Iterable[tuple[bytes, bytes]], *, bytes_max: int = FILL_BYTES_MAX) -> None:
        """Take in rows as they stand in the file, and no more of them than fit.

        `rows` are all that there are; if they end before the limits, the cache is complete.
        """
        self.clear()
        bytes_max = min(bytes_max, self._bytes_max)
        for key, value in rows:
            size_bytes = self.size_bytes + _size_of(key, value)
            if len(self._rows) == self._rows_max or size_bytes > bytes_max:
                return
            self.keep(key, value)
        self.complete = True

    def find(self, key: bytes) -> tuple[bool, bytes | None]:
        """Whether it is known what stands under a key, and what."""
        try:
            value = self._rows[key]
        except KeyError:
            return self.complete, None
        self._rows.move_to_end(key)
        return True, value

    def keep(self, key: bytes, value: bytes | None) -> None:
        """Remember what stands under a key, and forget others for it."""
        self.forget(key)
        if value is None and self.complete:
            return
        self._rows[key] = value
        self.size_bytes += _size_of(key, value)
        while len(self._rows) > self._rows_max or self.size_bytes > self._bytes_max:
            oldest, forgotten = self._rows.popitem(last=False)
            self.complete = self.complete and forgotten is None
            self.size_bytes -= _size_of(oldest, forgotten)

    def forget(self, key: bytes) -> None:
        """Know nothing of a key any more; while complete, that it has no row."""
        if key in self._rows:
            self.size_bytes -= _size_of(key, self._rows.pop(key))

    def clear(self) -> None:
        """Ask the file for everything."""
        self._rows.clear()
        self.size_bytes = 0
        self.complete = False

    def __len__(self) -> int:
        return len(self._rows)


def _size_of(key: bytes, value: bytes | None) -> int:
    return len(key) + len(value or b"") + ROW_OVERHEAD_BYTES
