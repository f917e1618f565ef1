"""The figures that the laws are added up from: counted when asked, a stretch of the ring at a time.

No counter is kept that could drift. No request reads more than a page of one range, each has the
driver's time-out, and a range that takes too long is halved; so a count is as slow as there are
rows, and needs the same memory however many there are.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cassandra import (  # type: ignore[import-untyped]  # the driver has no type hints
    OperationTimedOut,
    ReadFailure,
    ReadTimeout,
)

from connectors.history.cassandra.session import Session
from streams.domain.errors import Unavailable
from streams.ports import Counts

RANGES = 64
RANGES_AT_ONCE = 4
"""More make the nodes no faster, and others who ask them slower."""
HALVINGS_MAX = 10
TOO_LONG = (OperationTimedOut, ReadTimeout, ReadFailure)
"""A node that must pass over too many rows that were removed gives up as well."""

_FIRST_TOKEN, _LAST_TOKEN = -(2**63), 2**63 - 1

Range = tuple[int, int]
"""Tokens after the first and up to the last."""
Tally = Counter[tuple[object, ...]]
"""How many rows have these values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table to count in; the time is that of a row's last change."""

    name: str
    key: str
    columns: str
    time: str

    def statement(self, *, since: bool) -> str:
        """Reads the columns of a range, of all rows or of those not older than a time."""
        later = f" AND {self.time} >= ? ALLOW FILTERING" if since else ""
        return (
            f"SELECT {self.columns} FROM {self.name}"  # noqa: S608  # our names
            f" WHERE token({self.key}) > ? AND token({self.key}) <= ?{later}"
        )


_NOTICES = _Table(name="notices", key="notice_id", columns="state, heard", time="changed_us")
_DELIVERIES = _Table(
    name="deliveries", key="delivery_id", columns="status, started", time="changed_us"
)
_REPEATS = _Table(name="repeats", key="notice_id", columns="partition", time="at_us")
_EVENTS = _Table(name="event_places", key="event_id", columns="merchant_id", time="recorded_us")


async def counts(session: Session, since_us: int | None) -> Counts:
    """All figures, or those of what changed at a time or later.

    Each row is counted as it stands when it is read: while history is written, the figures are
    of no one moment. Raises `Unavailable`, also when a very small range still takes too long.
    """
    notices = await _tally(session, _NOTICES, since_us)
    deliveries = await _tally(session, _DELIVERIES, since_us)
    state, status = _by_first(notices), _by_first(deliveries)
    return Counts(
        accepted=sum(
            many for (state, heard), many in notices.items() if heard and state != "noted"
        ),
        matched=state["matched"],
        unmatched=state["unmatched"],
        quarantined=state["quarantined"],
        in_flight=state["accepted"],
        repeated=(await _tally(session, _REPEATS, since_us)).total(),
        noted=state["noted"],
        notified=sum(many for (_, started), many in deliveries.items() if started),
        delivered=status["delivered"],
        pending=status["pending"],
        retrying=status["retrying"],
        failed=status["failed"],
        events=(await _tally(session, _EVENTS, since_us)).total(),
    )


def _by_first(tally: Tally) -> Counter[object]:
    first: Counter[object] = Counter()
    for values, many in tally.items():
        first[values[0]] += many
    return first


async def _tally(session: Session, table: _Table, since_us: int | None) -> Tally:
    """A table's rows by their values, a few ranges at once."""
    statement = table.statement(since=since_us is not None)
    values = () if since_us is None else (since_us,)
    found: Tally = Counter()
    ranges = _ring(RANGES)

    async def work() -> None:
        for each in ranges:
            found.update(await _of_range(session, statement, each, values, HALVINGS_MAX))

    workers = [asyncio.create_task(work()) for _ in range(RANGES_AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return found


async def _of_range(
    session: Session, statement: str, tokens: Range, values: Sequence[int], halvings: int
) -> Tally:
    found: Tally = Counter()
    try:
        async for rows in session.pages(statement, *tokens, *values):
            found.update(map(tuple, rows))
    except Unavailable as error:
        if not halvings or not isinstance(error.__cause__, TOO_LONG):
            raise
    else:
        return found
    # What was counted of it is forgotten, and each half is counted from its beginning.
    first, last = tokens
    middle = (first + last) // 2
    return await _of_range(
        session, statement, (first, middle), values, halvings - 1
    ) + await _of_range(session, statement, (middle, last), values, halvings - 1)


def _ring(parts: int) -> Iterator[Range]:
    """The whole ring in equal parts."""
    size = 2**64 // parts
    starts = [_FIRST_TOKEN + number * size for number in range(parts)]
    yield from zip(starts, [*starts[1:], _LAST_TOKEN], strict=True)
