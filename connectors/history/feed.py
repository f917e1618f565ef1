"""The pull feed: a merchant's notifications in one order that never changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from connectors.history.cursors import cursor_of, position_in
from connectors.history.sql import array, moment_of, select
from streams.domain.delivery import wants
from streams.domain.ids import InvoiceId, MerchantId, NotificationId
from streams.domain.notification import NotificationType
from streams.ports import EventRow

_KIND = "events"
_COLUMNS = "position, event_id, type, invoice_id, recorded_us, body"


def events(
    connection: sqlite3.Connection,
    merchant_id: MerchantId,
    *,
    after: str | None,
    types: Sequence[str],
    limit: int,
) -> tuple[list[EventRow], str | None]:
    """One page, oldest first, with the place up to which it was looked."""
    start = position_in(after, _KIND) if after is not None else -1
    wanted = array(each for each in NotificationType if wants(tuple(types), each))
    source = (
        "events WHERE merchant_id = ? AND position > ?"
        " AND type IN (SELECT value FROM json_each(?)) ORDER BY position LIMIT ?"
    )
    found = select(connection, _COLUMNS, source, [merchant_id, start, wanted, limit])
    looked_to = found[-1][0] if len(found) >= limit else _newest(connection, merchant_id, start)
    cursor = cursor_of(_KIND, looked_to) if looked_to >= 0 else None
    return [_event_row(row) for row in found], cursor


def _newest(connection: sqlite3.Connection, merchant_id: MerchantId, start: int) -> int:
    statement = "SELECT max(position) FROM events WHERE merchant_id = ?"
    newest = connection.execute(statement, [merchant_id]).fetchone()[0]
    # After the newest events expired, the reader still stands where it stood.
    return max(start, newest if newest is not None else -1)


def event(
    connection: sqlite3.Connection, merchant_id: MerchantId, event_id: NotificationId
) -> EventRow | None:
    """One notification of this merchant."""
    source = "events WHERE event_id = ? AND merchant_id = ?"
    found = select(connection, _COLUMNS, source, [event_id, merchant_id])
    return _event_row(found[0]) if found else None


def _event_row(row: Sequence[Any]) -> EventRow:
    position, event_id, kind, invoice_id, recorded_us, body = row
    return EventRow(
        cursor=cursor_of(_KIND, position),
        event_id=NotificationId(event_id),
        type=kind,
        invoice_id=InvoiceId(invoice_id) if invoice_id is not None else None,
        recorded_at=moment_of(recorded_us),
        body=body,
    )
