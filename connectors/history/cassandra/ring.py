"""Reading a whole table: a stretch of the ring at a time, in halves where one takes too long.

No request reads more than a page of one range, and each has the driver's time-out; so reading
is as slow as there are rows, and needs the same memory however many there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

from cassandra import (  # type: ignore[import-untyped]  # the driver has no type hints
    OperationTimedOut,
    ReadFailure,
    ReadTimeout,
)

from connectors.history.cassandra.bridge import Rows
from connectors.history.cassandra.session import Request, Session
from streams.domain.errors import Unavailable

T = TypeVar("T")

RANGES = 64
RANGES_AT_ONCE = 4
"""More make the nodes no faster, and others who ask them slower."""
HALVINGS_MAX = 10
TOO_LONG = (OperationTimedOut, ReadTimeout, ReadFailure)
"""A node that must pass over too many rows that were removed gives up as well."""

_FIRST_TOKEN, _LAST_TOKEN = -(2**63), 2**63 - 1

Range = tuple[int, int]
"""Tokens after the first and up to the last."""
Pages = AsyncIterator[Rows]
Take = Callable[[Pages], Awaitable[T]]
"""Takes in the rows of a range; after a range that took too long its halves come anew."""


def ranges(part: int = 0, parts: int = 1) -> Iterator[Range]:
    """One of so many equal parts of the ring, counted from 0, in `RANGES` equal ranges."""
    size = 2**64 // (parts * RANGES)
    first = part * RANGES
    starts = [_FIRST_TOKEN + number * size for number in range(first, first + RANGES)]
    last = _LAST_TOKEN if part == parts - 1 else starts[-1] + size
    yield from zip(starts, [*starts[1:], last], strict=True)


async def read(
    session: Session, request: Request, wanted: Iterator[Range], take: Take[T]
) -> list[T]:
    """What was taken of each range, a few at once; a range goes before the request's values.

    Raises `Unavailable`, also when a very small range still takes too long.
    """
    taken: list[T] = []

    async def work() -> None:
        for each in wanted:
            taken.extend(await _of_range(session, request, each, take, HALVINGS_MAX))

    workers = [asyncio.create_task(work()) for _ in range(RANGES_AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return taken


async def _of_range(
    session: Session, request: Request, tokens: Range, take: Take[T], halvings: int
) -> list[T]:
    statement, values = request
    try:
        return [await take(session.pages(statement, *tokens, *values))]
    except Unavailable as error:
        if not halvings or not isinstance(error.__cause__, TOO_LONG):
            raise
    first, last = tokens
    middle = (first + last) // 2
    halves = [
        await _of_range(session, request, half, take, halvings - 1)
        for half in ((first, middle), (middle, last))
    ]
    return [taken for half in halves for taken in half]
