"""Removing what is older than a time and finished, a little in each transaction.

Invoices, their registrations and their claims stay: a late payment must find its invoice, and a
number or a reference that was used once must never be given to another invoice. What waits, what
is in quarantine and was not put back, and what is still being delivered stays as well.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from connectors.history.schema import FINISHED
from connectors.history.sql import array, select

ROWS_PER_STEP_MAX = 500
"""Few enough that a writer who waits for the step hardly notices."""

_OF_NOTICES = ("raw_notices", "held_notices", "settlements")

_OLD_NOTICES = "notices WHERE state IN ('matched', 'noted') AND changed_us < ?"
_OLD_QUARANTINE = "quarantine WHERE at_us < ?1 AND retried_us < ?1"
_OLD_DELIVERIES = f"deliveries WHERE {FINISHED} AND changed_us < ?"
_OLD_EVENTS = (
    "events AS e WHERE recorded_us < ? AND NOT EXISTS (SELECT 1 FROM deliveries AS d"
    " WHERE d.merchant_id = e.merchant_id AND d.event_id = e.event_id"
    " AND d.status IN ('pending', 'retrying'))"
)
_OLD_REPLAYS = "replays WHERE status != 'running' AND finished_us < ?"
_OLD_COMMANDS = "commands WHERE at_us < ?"
_REMOVE_ACKNOWLEDGEMENTS = """
DELETE FROM acknowledgements WHERE (event_id, endpoint_id) IN
    (SELECT event_id, endpoint_id FROM acknowledgements WHERE at_us < ? LIMIT ?)
"""
_REMOVE_UNACKNOWLEDGED = """
DELETE FROM unacknowledged WHERE (endpoint_id, made_us, delivery_id) IN
    (SELECT endpoint_id, made_us, delivery_id FROM unacknowledged WHERE since_us < ? LIMIT ?)
"""
_REMOVE_REPEATS = """
DELETE FROM repeats WHERE (notice_id, partition, "offset") IN
    (SELECT notice_id, partition, "offset" FROM repeats WHERE at_us < ? LIMIT ?)
"""


def expire_step(connection: sqlite3.Connection, before_us: Sequence[int]) -> Sequence[int]:
    """Remove at most `ROWS_PER_STEP_MAX` things of each kind; how many rows went, for each call."""
    return [_step(connection, each) for each in before_us]


def _step(connection: sqlite3.Connection, before_us: int) -> int:
    removed = 0
    notices = _names(connection, "notice_id", _OLD_NOTICES, before_us)
    for table in (*_OF_NOTICES, "notices"):
        removed += _remove(connection, table, "notice_id", notices)
    quarantine = _names(connection, "quarantine_id", _OLD_QUARANTINE, before_us)
    own = [f"quarantine:{each}" for each in quarantine]
    removed += _remove(connection, "quarantine", "quarantine_id", quarantine)
    removed += _remove(connection, "notices", "notice_id", own)
    deliveries = _names(connection, "delivery_id", _OLD_DELIVERIES, before_us)
    for table in ("attempts", "delivery_rounds", "deliveries"):
        removed += _remove(connection, table, "delivery_id", deliveries)
    # No event before its notice, or an audit would miss it.
    full = len(notices) == ROWS_PER_STEP_MAX
    events = [] if full else _names(connection, "event_id", _OLD_EVENTS, before_us)
    removed += _remove(connection, "events", "event_id", events)
    replays = _names(connection, "replay_id", _OLD_REPLAYS, before_us)
    removed += _remove(connection, "replays", "replay_id", replays)
    commands = _names(connection, "request_id", _OLD_COMMANDS, before_us)
    removed += _remove(connection, "commands", "request_id", commands)
    for statement in (_REMOVE_REPEATS, _REMOVE_ACKNOWLEDGEMENTS, _REMOVE_UNACKNOWLEDGED):
        removed += connection.execute(statement, [before_us, ROWS_PER_STEP_MAX]).rowcount
    return removed


def _names(connection: sqlite3.Connection, name: str, source: str, before_us: int) -> list[str]:
    limited = f"{source} LIMIT {ROWS_PER_STEP_MAX}"
    return [row[0] for row in select(connection, name, limited, [before_us])]


def _remove(connection: sqlite3.Connection, table: str, column: str, names: Sequence[str]) -> int:
    statement = f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"  # noqa: S608  # our names
    return connection.execute(statement, [array(names)]).rowcount
