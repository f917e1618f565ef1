"""Storing projections: rows into tables so that repeats and older messages change nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain

from connectors.history.acknowledgements import store_acknowledgements
from connectors.history.installations import ARCHIVED
from connectors.history.projecting import project
from connectors.history.replay_writes import store_replays
from connectors.history.rows import Row
from connectors.history.sql import Insert
from streams.domain.errors import CorruptState
from streams.ports import Archived

_NOTICES = Insert(
    into="notices (notice_id, merchant_id, state, precedence, heard, received_us, changed_us)",
    columns=7,
    conflict="""(notice_id) DO UPDATE SET
        merchant_id = iif(merchant_id = '', excluded.merchant_id, merchant_id),
        state = iif(excluded.precedence > precedence, excluded.state, state),
        precedence = max(excluded.precedence, precedence),
        heard = max(excluded.heard, heard),
        received_us = iif(excluded.state = 'unmatched', excluded.received_us, received_us),
        changed_us = iif(excluded.precedence > precedence, excluded.changed_us, changed_us)
        WHERE excluded.precedence > precedence OR excluded.heard > heard OR merchant_id = ''""",
)
_INVOICES = Insert(
    into="invoices (invoice_id, merchant_id, invoice_number, version, status, created_us, shown)",
    columns=7,
    conflict="""(invoice_id) DO UPDATE SET
        version = excluded.version, status = excluded.status, shown = excluded.shown
        WHERE excluded.version > version""",
)
_DELIVERIES = Insert(
    into="deliveries (delivery_id, merchant_id, endpoint_id, event_id, event_type, created_us,"
    " started, status, standing, round, next_attempt_us, changed_us, sequence)",
    columns=13,
    conflict="""(delivery_id) DO UPDATE SET
        endpoint_id = iif(started, endpoint_id, excluded.endpoint_id),
        event_id = iif(started, event_id, excluded.event_id),
        event_type = iif(started, event_type, excluded.event_type),
        created_us = iif(started, created_us, excluded.created_us),
        started = max(started, excluded.started),
        status = iif(excluded.standing > standing, excluded.status, status),
        standing = max(excluded.standing, standing),
        round = max(excluded.round, round),
        next_attempt_us =
            iif(excluded.standing > standing, excluded.next_attempt_us, next_attempt_us),
        changed_us = iif(excluded.standing > standing, excluded.changed_us, changed_us),
        sequence = max(excluded.sequence, sequence)
        WHERE excluded.standing > standing OR excluded.started > started
            OR excluded.sequence > sequence""",
)
INVOICES_IF_NEW = Insert(into=_INVOICES.into, columns=7, conflict="(invoice_id) DO NOTHING")

# What is said once stays as it was first said.
_RAW_NOTICES = Insert(into="raw_notices", columns=2, conflict="(notice_id) DO NOTHING")
_HELD_NOTICES = Insert(into="held_notices", columns=2, conflict="(notice_id) DO NOTHING")
_SETTLEMENTS = Insert(into="settlements", columns=5, conflict="(notice_id, invoice_id) DO NOTHING")
_REPEATS = Insert(into="repeats", columns=4, conflict='(notice_id, partition, "offset") DO NOTHING')
_COMMANDS = Insert(into="commands", columns=3, conflict="(request_id) DO NOTHING")
_EVENTS = Insert(into="events", columns=7, conflict="(event_id) DO NOTHING")
_ATTEMPTS = Insert(into="attempts", columns=4, conflict="(delivery_id, round, number) DO NOTHING")
_QUARANTINE = Insert(into="quarantine", columns=5, conflict="(quarantine_id) DO NOTHING")


def store(connection: sqlite3.Connection, batches: Sequence[Sequence[Archived]]) -> Sequence[None]:
    """Store batches in their order, within the caller's transaction."""
    rows = project(list(chain.from_iterable(batches)))
    _NOTICES.run(connection, rows.notices)
    _RAW_NOTICES.run(connection, rows.raw_notices)
    _HELD_NOTICES.run(connection, rows.held_notices)
    _SETTLEMENTS.run(connection, rows.settlements)
    _REPEATS.run(connection, rows.repeats)
    _INVOICES.run(connection, rows.invoices)
    _COMMANDS.run(connection, rows.commands)
    _store_events(connection, rows.events)
    _DELIVERIES.run(connection, rows.deliveries)
    _ATTEMPTS.run(connection, rows.attempts)
    store_acknowledgements(connection, rows.unacknowledged, rows.acknowledgements)
    _QUARANTINE.run(connection, rows.quarantine)
    store_replays(connection, rows)
    ARCHIVED.run(connection, rows.archived)
    return [None] * len(batches)


def _store_events(connection: sqlite3.Connection, events: Sequence[Row]) -> None:
    try:
        _EVENTS.run(connection, events)
    except sqlite3.IntegrityError as error:
        # A reader may have passed that place, and would never see the event.
        raise CorruptState(
            "another event has its place in the feed: this history belongs to another log"
        ) from error


def mark_retried(
    connection: sqlite3.Connection, marks: Sequence[tuple[str, int]]
) -> Sequence[None]:
    """Note when quarantined things were put back; the latest time stays."""
    connection.executemany(
        "UPDATE quarantine SET retried_us = max(ifnull(retried_us, 0), ?2)"
        " WHERE quarantine_id = ?1",
        marks,
    )
    return [None] * len(marks)
