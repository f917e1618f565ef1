"""The rows of tables as they stand in the log file, read one by one or in key order."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import cache

_ONE = "SELECT value FROM table_rows WHERE key = ? AND partition_id IN ({})"
_SOME = "SELECT key, value FROM table_rows WHERE partition_id = ? AND key >= ? ORDER BY key LIMIT ?"
_BETWEEN = (
    "SELECT key, value FROM table_rows"
    " WHERE partition_id = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
)
_EACH = "SELECT key, value FROM table_rows WHERE partition_id IN ({})"
_COUNT = "SELECT count(*) FROM table_rows WHERE partition_id IN ({})"
_ANY = "SELECT count(*) FROM table_rows WHERE key = ? AND partition_id IN ({})"


class Rows:
    """One connection for the loop's own thread: a row is there in less time than a switch takes.

    It is opened at first use; a process without tables needs none.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._opened: sqlite3.Connection | None = None

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = self._connect()
        return self._opened

    def find(self, partition_ids: Sequence[int], key: bytes) -> bytes | None:
        """The durable value of a key, which is in one of these partitions if anywhere."""
        row = self._connection.execute(
            _in(_ONE, len(partition_ids)), (key, *partition_ids)
        ).fetchone()
        return None if row is None else row[0]

    def some(self, partition_id: int, first: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows of a partition in key order, from a key on."""
        return self._connection.execute(_SOME, (partition_id, first, limit)).fetchall()

    def between(
        self, partition_id: int, first: bytes, until: bytes, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows of a partition in key order, from a key on and before another."""
        return self._connection.execute(_BETWEEN, (partition_id, first, until, limit)).fetchall()

    def each(self, partition_ids: Sequence[int]) -> Generator[tuple[bytes, bytes], None, None]:
        """The rows of these partitions, in no order that matters, read as they are asked for.

        Close it soon: until then everything stays readable as it stands now, and the file grows.
        """
        statement = _in(_EACH, len(partition_ids))
        with closing(self._connection.execute(statement, partition_ids)) as rows:
            yield from rows

    def count(self, partition_ids: Sequence[int], without: Sequence[bytes] = ()) -> int:
        """How many keys these partitions have, not counting some; all at one moment."""
        number = len(partition_ids)
        connection = self._connection
        connection.execute("BEGIN")
        try:
            total = int(connection.execute(_in(_COUNT, number), partition_ids).fetchone()[0])
            for key in without:
                found = connection.execute(_in(_ANY, number), (key, *partition_ids)).fetchone()
                total -= int(found[0])
        finally:
            connection.execute("COMMIT")
        return total

    def close(self) -> None:
        """Give the connection back."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


@cache
def _in(statement: str, number: int) -> str:
    return statement.format(",".join("?" * number))
