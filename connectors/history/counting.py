"""The figures that the laws are added up from: kept by triggers (see `schema`), or counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from connectors.history.sql import array, select
from streams.counts import CLOCKS_APART_US, Counts
from streams.domain.ids import EndpointId
from streams.domain.notification import TOLD_OF_NOTICE

_COUNTED = (
    ("notices", "'notices ' || state", "changed_us"),
    ("notices", "iif(heard AND state != 'noted','heard',NULL)", "changed_us"),
    ("deliveries", "'deliveries ' || status", "changed_us"),
    ("deliveries", "iif(started,'notified',NULL)", "changed_us"),
    ("events", "'events'", "recorded_us"),
    ("repeats", "'repeats'", "at_us"),
)
"""Tables, the tally that a row of them counts in, and when it was changed last."""


_TYPES = array(TOLD_OF_NOTICE.values())
_TOLD = "events WHERE type IN (SELECT value FROM json_each(?)) AND recorded_us >= ?"
_TOLD_OF_ALL = "events WHERE type IN (SELECT value FROM json_each(?))"
"""Without a time it is answered by the index of the feed, which has no bodies."""


_DUE = (
    "deliveries WHERE status != 'delivered' AND status IN ('pending', 'retrying')"
    " AND ifnull(next_attempt_us, changed_us) < ? AND changed_us >= ? GROUP BY 1, 2"
)
"""In the words of the index of those that are unfinished."""
_TRIED = (
    "(SELECT 1 FROM deliveries WHERE merchant_id = ? AND endpoint_id = ?"
    " AND status IN ('delivered', 'retrying', 'failed') AND changed_us >= ? LIMIT 1)"
)


def counts(connection: sqlite3.Connection) -> Counts:
    """All figures at one moment.

    `accepted` counts what was heard, by its own row and not by its outcome: an outcome of
    something that was never accepted makes the sum differ, which is what an audit looks for. So
    with `notified`, which counts deliveries that were started.
    """
    tally = dict(select(connection, "name, number", "tallies"))
    return _counts_of(tally, told=_number(connection, _TOLD_OF_ALL, [_TYPES]))


def counts_since(connection: sqlite3.Connection, since_us: int) -> Counts:
    """The figures of what changed at this time or later, counted row by row."""
    tally: dict[str, int] = {}  # and one name that is no name: rows that do not count
    for table, name, changed in _COUNTED:
        source = f"{table} WHERE {changed} >= ? GROUP BY 1"
        tally.update(map(tuple, select(connection, f"{name}, count(*)", source, [since_us])))
    told = _number(connection, _TOLD, [_TYPES, since_us - CLOCKS_APART_US])
    return _counts_of(tally, told=told)


def stalled(
    connection: sqlite3.Connection, *, before_us: int, since_us: int
) -> dict[EndpointId, int]:
    """Deliveries that were due before a time, by endpoint, where nothing was tried since then."""
    columns = "merchant_id, endpoint_id, count(*)"
    found = select(connection, columns, _DUE, [before_us, since_us])
    return {
        EndpointId(endpoint_id): many
        for merchant_id, endpoint_id, many in found
        if not _number(connection, _TRIED, [merchant_id, endpoint_id, before_us])
    }


def _number(connection: sqlite3.Connection, source: str, values: Sequence[object]) -> int:
    number: int = select(connection, "count(*)", source, values)[0][0]
    return number


def _counts_of(tally: Mapping[str, int], *, told: int) -> Counts:
    return Counts(
        accepted=tally.get("heard", 0),
        matched=tally.get("notices matched", 0),
        unmatched=tally.get("notices unmatched", 0),
        quarantined=tally.get("notices quarantined", 0),
        in_flight=tally.get("notices accepted", 0),
        repeated=tally.get("repeats", 0),
        noted=tally.get("notices noted", 0),
        notified=tally.get("notified", 0),
        delivered=tally.get("deliveries delivered", 0),
        pending=tally.get("deliveries pending", 0),
        retrying=tally.get("deliveries retrying", 0),
        failed=tally.get("deliveries failed", 0),
        superseded=tally.get("deliveries superseded", 0),
        events=tally.get("events", 0),
        told=told,
        untold=0,  # retention removes no event before its notice
    )
