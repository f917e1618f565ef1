"""SQLite for threads beside a busy event loop: many rows in one statement, both ways.

The interpreter lock is given up once per statement and once per row, and a busy event loop gives
it back late. So rows are written many per statement, and read as one JSON text per query.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

ROWS_PER_STATEMENT = 64
"""Whole statements of this many rows; what is left over goes in statements of 8 and of 1."""
_SIZES = (ROWS_PER_STATEMENT, 8, 1)


def micros(moment: datetime) -> int:
    """A time as it is stored: whole microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def whole_milliseconds(moment: datetime) -> int:
    """Microseconds without the part below a millisecond, which an invoice does not show."""
    stored_us = micros(moment)
    return stored_us - stored_us % 1000


def moment_of(stored_us: int) -> datetime:
    """A stored time as an aware time in UTC."""
    return EPOCH + stored_us * MICROSECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """An INSERT of rows of so many values, and what happens to those that exist."""

    into: str
    columns: int
    conflict: str

    def run(self, connection: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> None:
        """Insert all rows in their order."""
        row = "(" + ",".join("?" * self.columns) + ")"
        head, tail = f"INSERT INTO {self.into} VALUES", f"ON CONFLICT {self.conflict}"
        done = 0
        for size in _SIZES:
            while len(rows) - done >= size:
                part = rows[done : done + size]
                flat = [value for each in part for value in each]
                connection.execute(f"{head} {','.join([row] * size)} {tail}", flat)
                done += size


def select(
    connection: sqlite3.Connection, columns: str, source: str, values: Sequence[object] = ()
) -> list[list[Any]]:
    """The columns of all rows of a `FROM ...` text, in its order, read as one row."""
    named = [f"c{number}" for number in range(len(columns.split(", ")))]
    aliased = ", ".join(
        f"{column} AS {name}" for column, name in zip(columns.split(", "), named, strict=True)
    )
    # LIMIT keeps the subquery apart, so that its order is the order of the array.
    limit = "" if " LIMIT " in source else " LIMIT -1"
    inner = f"SELECT {aliased} FROM {source}{limit}"  # noqa: S608  # names from constants
    statement = f"SELECT json_group_array(json_array({','.join(named)})) FROM ({inner})"  # noqa: S608  # as above
    text = connection.execute(statement, values).fetchone()[0]
    rows: list[list[Any]] = orjson.loads(text)
    return rows


def array(values: Iterable[object]) -> str:
    """Values as one parameter, for `json_each(?)`."""
    return orjson.dumps(list(values)).decode()
