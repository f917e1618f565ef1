"""The figures that the laws are added up from: counted when asked, a stretch of the ring at a time.

No counter is kept that could drift; so a count is as slow as there are rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from connectors.history.cassandra import ring
from connectors.history.cassandra.session import Session
from connectors.history.sql import micros
from streams.clock import system_clock
from streams.counts import CLOCKS_APART_US, Counts
from streams.domain.notification import TOLD_OF_NOTICE

Tally = Counter[tuple[object, ...]]
"""How many rows have these values."""
Row = Sequence[Any]
Key = Callable[[Row], tuple[Any, ...]]


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


_NOTICES = _Table(
    name="notices", key="notice_id", columns="state, heard, changed_us", time="changed_us"
)
_DELIVERIES = _Table(
    name="deliveries", key="delivery_id", columns="status, started", time="changed_us"
)
_REPEATS = _Table(name="repeats", key="notice_id", columns="partition", time="at_us")
_EVENTS = _Table(
    name="events", key="merchant_id, stretch", columns="type, recorded_us", time="recorded_us"
)
_SHORTEST_LIFE = timedelta(days=1)
"""Events live for so long at least, whatever the retention is."""
_TOLD_TYPES = frozenset(TOLD_OF_NOTICE.values())


async def counts(session: Session, since_us: int | None) -> Counts:
    """All figures, or those of what changed at a time or later.

    Each row is counted as it stands when it is read: while history is written, the figures are
    of no one moment. Raises `Unavailable`, also when a very small range still takes too long.
    """
    feed = _Feed(since_us or 0)
    from_us = None if since_us is None else since_us - CLOCKS_APART_US
    events = await _tally(session, _EVENTS, from_us, feed.key)
    notices = await _tally(session, _NOTICES, since_us, partial(_notice, feed.reaches_to()))
    deliveries = await _tally(session, _DELIVERIES, since_us)
    state, status = _by_first(notices), _by_first(deliveries)
    return Counts(
        accepted=sum(
            many for (state, heard, _), many in notices.items() if heard and state != "noted"
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
        superseded=status["superseded"],
        events=sum(many for (_, is_counted), many in events.items() if is_counted),
        told=sum(many for (kind, _), many in events.items() if kind in _TOLD_TYPES),
        untold=sum(
            many
            for (state, _, in_feed), many in notices.items()
            if state == "matched" and not in_feed
        ),
    )


class _Feed:
    """How far the feed reaches back: its rows go by their age, and notices some time later."""

    def __init__(self, since_us: int) -> None:
        self._since_us = since_us
        self._oldest_us: int | None = None

    def key(self, row: Row) -> tuple[Any, ...]:
        kind, recorded_us = row
        self._oldest_us = min(recorded_us, self._oldest_us or recorded_us)
        return kind, recorded_us >= self._since_us

    def reaches_to(self) -> int:
        """Microseconds since 1970; of a feed that is empty no more is known than how rows go."""
        if self._oldest_us is None:
            return micros(system_clock() - _SHORTEST_LIFE)
        return self._oldest_us


def _notice(reaches_to_us: int, row: Row) -> tuple[Any, ...]:
    state, heard, changed_us = row
    return state, heard, changed_us >= reaches_to_us


def _by_first(tally: Tally) -> Counter[object]:
    first: Counter[object] = Counter()
    for values, many in tally.items():
        first[values[0]] += many
    return first


async def _tally(session: Session, table: _Table, since_us: int | None, key: Key = tuple) -> Tally:
    """A table's rows by their values, or by what is made of them."""
    values = () if since_us is None else (since_us,)
    request = table.statement(since=since_us is not None), values
    counted = partial(_counted, key)
    return sum(await ring.read(session, request, ring.ranges(), counted), Tally())


async def _counted(key: Key, pages: ring.Pages) -> Tally:
    found: Tally = Counter()
    async for rows in pages:
        found.update(map(key, rows))
    return found
