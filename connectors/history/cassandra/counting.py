"""The figures that the laws are added up from: counted when asked, row by row."""

from __future__ import annotations

from collections import Counter

from connectors.history.cassandra.session import Session
from streams.ports import Counts

_NOTICES = "SELECT state, heard FROM notices"
_DELIVERIES = "SELECT status, started FROM deliveries"
_REPEATS = "SELECT partition FROM repeats"
_EVENTS = "SELECT position FROM event_places"


async def counts(session: Session) -> Counts:
    """All figures; each row is counted as it stands when it is read.

    Exact, because no counter is kept that could drift, and as costly as there are rows (some
    100,000 rows in a second): it is for an audit. While history is written, the figures are of
    no one moment.
    """
    notices: Counter[str] = Counter()
    deliveries: Counter[str] = Counter()
    heard = started = 0
    async for rows in session.pages(_NOTICES):
        notices.update(state for state, _ in rows)
        heard += sum(1 for state, is_heard in rows if is_heard and state != "noted")
    async for rows in session.pages(_DELIVERIES):
        deliveries.update(status for status, _ in rows)
        started += sum(1 for _, is_started in rows if is_started)
    repeated = sum([len(rows) async for rows in session.pages(_REPEATS)])
    events = sum([len(rows) async for rows in session.pages(_EVENTS)])
    return Counts(
        accepted=heard,
        matched=notices["matched"],
        unmatched=notices["unmatched"],
        quarantined=notices["quarantined"],
        in_flight=notices["accepted"],
        repeated=repeated,
        noted=notices["noted"],
        notified=started,
        delivered=deliveries["delivered"],
        pending=deliveries["pending"],
        retrying=deliveries["retrying"],
        failed=deliveries["failed"],
        events=events,
    )
