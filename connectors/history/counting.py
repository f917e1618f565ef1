"""The figures that the laws are added up from, kept by triggers (see `schema`)."""

from __future__ import annotations

import sqlite3

from connectors.history.sql import select
from streams.ports import Counts


def counts(connection: sqlite3.Connection) -> Counts:
    """All figures at one moment.

    `accepted` counts what was heard, by its own row and not by its outcome: an outcome of
    something that was never accepted makes the sum differ, which is what an audit looks for. So
    with `notified`, which counts deliveries that were started.
    """
    tally = dict(select(connection, "name, number", "tallies"))
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
        events=tally.get("events", 0),
    )
