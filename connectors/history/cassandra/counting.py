"""The figures that the laws are added up from: counted when asked, a stretch of the ring at a time.

No counter is kept that could drift; so a count is as slow as there are rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from connectors.history.cassandra import ring
from connectors.history.cassandra.session import Session
from streams.counts import Counts

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
        superseded=status["superseded"],
        events=(await _tally(session, _EVENTS, since_us)).total(),
    )


def _by_first(tally: Tally) -> Counter[object]:
    first: Counter[object] = Counter()
    for values, many in tally.items():
        first[values[0]] += many
    return first


async def _tally(session: Session, table: _Table, since_us: int | None) -> Tally:
    """A table's rows by their values."""
    values = () if since_us is None else (since_us,)
    request = table.statement(since=since_us is not None), values
    return sum(await ring.read(session, request, ring.ranges(), _counted), Tally())


async def _counted(pages: ring.Pages) -> Tally:
    found: Tally = Counter()
    async for rows in pages:
        found.update(map(tuple, rows))
    return found
