"""Lists by time: an index row per thing and day, read from one day to the next."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from connectors.history.cassandra import times
from connectors.history.cassandra.bridge import Rows
from connectors.history.cassandra.session import Session
from connectors.history.cursors import cursor_of, time_and_id_in

R = TypeVar("R")

DAYS_AT_ONCE = 8
"""Days that are read together: few enough for a busy merchant, enough for one with few rows."""
_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list that is kept by day; `keys` are the columns of its order, a time and an id."""

    kind: str
    table: str
    owner: str | None
    keys: tuple[str, str]
    newest_first: bool

    def days(self) -> str:
        """The statement for its days, from one on."""
        comparison, order = ("<=", "DESC") if self.newest_first else (">=", "ASC")
        return (
            "SELECT stretch FROM stretches WHERE owner = ? AND list = ?"  # noqa: S608  # our names
            f" AND stretch {comparison} ? ORDER BY stretch {order}"
        )

    def of_day(self, filters: Sequence[str]) -> str:
        """The statement for a day's rows behind a place, with equality filters."""
        owner = f"{self.owner} = ? AND " if self.owner else ""
        place = f"({', '.join(self.keys)}) {'<' if self.newest_first else '>'} (?, ?)"
        more = "".join(f" AND {column} = ?" for column in filters)
        return (
            f"SELECT {', '.join(self.keys)} FROM {self.table} WHERE {owner}day = ? AND {place}"  # noqa: S608  # our names
            f"{more} LIMIT ?{' ALLOW FILTERING' if filters else ''}"
        )


async def page(
    session: Session,
    listing: Listing,
    owner: str,
    filters: dict[str, str],
    *,
    after: str | None,
    limit: int,
    shape: Callable[[Rows], Awaitable[Sequence[R | None]]],
) -> tuple[list[R], str | None]:
    """One page; `shape` makes rows of index rows, None where an index row is not true any more."""
    start = time_and_id_in(after, listing.kind) if after is not None else _edge(listing)
    found: list[tuple[tuple[int, str], R]] = []
    async with aclosing(
        _walk(session, listing, owner, filters, start=start, size=limit + 1)
    ) as parts:
        async for keys in parts:
            for key, row in zip(keys, await shape(keys), strict=True):
                if row is not None:
                    found.append((key, row))
            if len(found) > limit:
                break
    more = len(found) > limit
    found = found[:limit]
    return [row for _, row in found], cursor_of(listing.kind, *found[-1][0]) if more else None


def _edge(listing: Listing) -> tuple[int, str]:
    return (_LAST, "") if listing.newest_first else (-1, "")


async def _walk(
    session: Session,
    listing: Listing,
    owner: str,
    filters: dict[str, str],
    *,
    start: tuple[int, str],
    size: int,
) -> AsyncGenerator[Rows, None]:
    """The keys behind a place in their order, in parts of at most `size`."""
    statement = listing.of_day(tuple(filters))
    owners = (owner,) if listing.owner else ()

    def of_day(day: int, place: tuple[int, str]) -> tuple[str, Sequence[object]]:
        return statement, (*owners, day, *place, *filters.values(), size)

    days = [
        day
        async for rows in session.pages(listing.days(), owner, listing.kind, times.day_of(start[0]))
        for (day,) in rows
    ]
    for index in range(0, len(days), DAYS_AT_ONCE):
        together = days[index : index + DAYS_AT_ONCE]
        firsts = await session.many([of_day(day, start) for day in together])
        for day, first in zip(together, firsts, strict=True):
            keys = first
            while keys:
                yield keys
                if len(keys) < size:
                    break
                keys = await session.rows(*_flat(of_day(day, keys[-1])))


def _flat(request: tuple[str, Sequence[object]]) -> tuple[Any, ...]:
    return (request[0], *request[1])
