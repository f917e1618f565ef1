"""Pages of invoices, waiting notices and quarantine, and single rows of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from connectors.history.claims import invoice_row
from connectors.history.cursors import cursor_of, time_and_id_in
from connectors.history.kept import kept_message
from connectors.history.sql import moment_of, select
from streams.domain.ids import InvoiceId, MerchantId, NoticeId
from streams.domain.invoice import InvoiceStatus
from streams.happenings import (
    NoticeHeld,
    Quarantined,
)
from streams.ports import InvoiceRow, QuarantineRow, WaitingRow

R = TypeVar("R")

_INVOICE = "invoice_id, merchant_id, version, status, shown"
_WAITING = "n.received_us, n.notice_id, h.message"
_WAITING_FROM = "notices AS n JOIN held_notices AS h USING (notice_id)"
_QUARANTINE = "at_us, quarantine_id, retried_us, message"


def invoices(
    connection: sqlite3.Connection,
    merchant_id: MerchantId,
    *,
    status: InvoiceStatus | None,
    invoice_number: str | None,
    after: str | None,
    limit: int,
) -> tuple[list[InvoiceRow], str | None]:
    """Newest registrations first."""
    where, values = ["merchant_id = ?"], [str(merchant_id)]
    for column, wanted in (("status", status), ("invoice_number", invoice_number)):
        if wanted is not None:
            where.append(f"{column} = ?")
            values.append(wanted)
    found, cursor = page(
        connection,
        f"created_us, {_INVOICE}",
        f"invoices WHERE {' AND '.join(where)}",
        values,
        keys=("created_us", "invoice_id"),
        kind="invoices",
        newest_first=True,
        after=after,
        limit=limit,
    )
    return [invoice_row(row[1:]) for row in found], cursor


def page(
    connection: sqlite3.Connection,
    columns: str,
    source: str,
    values: Sequence[object],
    *,
    keys: tuple[str, str],
    kind: str,
    newest_first: bool,
    after: str | None,
    limit: int,
) -> tuple[list[list[Any]], str | None]:
    """One page of a list that is ordered by a time and an id, which are its first two columns."""
    order, comparison = ("DESC", "<") if newest_first else ("ASC", ">")
    time, name = keys
    if after is not None:
        source += f" AND ({time}, {name}) {comparison} (?, ?)"
        values = [*values, *time_and_id_in(after, kind)]
    source += f" ORDER BY {time} {order}, {name} {order} LIMIT ?"
    found = select(connection, columns, source, [*values, limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return found, cursor_of(kind, *found[-1][:2]) if more else None


def unmatched(
    connection: sqlite3.Connection, merchant_id: MerchantId, *, after: str | None, limit: int
) -> tuple[list[WaitingRow], str | None]:
    """Notices that wait for an invoice, oldest first."""
    found, cursor = page(
        connection,
        _WAITING,
        f"{_WAITING_FROM} WHERE n.merchant_id = ? AND n.state = 'unmatched'",
        [merchant_id],
        keys=("n.received_us", "n.notice_id"),
        kind="unmatched",
        newest_first=False,
        after=after,
        limit=limit,
    )
    return [_waiting_row(row) for row in found], cursor


def waiting_notice(
    connection: sqlite3.Connection, merchant_id: MerchantId, notice_id: NoticeId
) -> WaitingRow | None:
    """A notice of this merchant, if it still waits."""
    source = f"{_WAITING_FROM} WHERE notice_id = ? AND merchant_id = ? AND state = 'unmatched'"
    return first(connection, _WAITING, source, [notice_id, merchant_id], _waiting_row)


def quarantined(
    connection: sqlite3.Connection, *, after: str | None, limit: int
) -> tuple[list[QuarantineRow], str | None]:
    """What is in quarantine, oldest first."""
    found, cursor = page(
        connection,
        _QUARANTINE,
        "quarantine WHERE true",
        [],
        keys=("at_us", "quarantine_id"),
        kind="quarantine",
        newest_first=False,
        after=after,
        limit=limit,
    )
    return [_quarantine_row(row) for row in found], cursor


def quarantine_row(connection: sqlite3.Connection, quarantine_id: str) -> QuarantineRow | None:
    """One thing in quarantine."""
    source = "quarantine WHERE quarantine_id = ?"
    return first(connection, _QUARANTINE, source, [quarantine_id], _quarantine_row)


def invoice(
    connection: sqlite3.Connection, merchant_id: MerchantId, invoice_id: InvoiceId
) -> InvoiceRow | None:
    """One invoice of this merchant."""
    source = "invoices WHERE invoice_id = ? AND merchant_id = ?"
    return first(connection, _INVOICE, source, [invoice_id, merchant_id], invoice_row)


def first(
    connection: sqlite3.Connection,
    columns: str,
    source: str,
    values: Sequence[object],
    shape: Callable[[Sequence[Any]], R],
) -> R | None:
    """The one row there is, or None."""
    found = select(connection, columns, source, values)
    return shape(found[0]) if found else None


def _waiting_row(row: Sequence[Any]) -> WaitingRow:
    received_us, notice_id, message = row
    held = kept_message(message, NoticeHeld)
    return WaitingRow(
        cursor=cursor_of("unmatched", received_us, notice_id),
        notice=held.notice,
        received_at=held.received_at,
    )


def _quarantine_row(row: Sequence[Any]) -> QuarantineRow:
    at_us, quarantine_id, retried_us, message = row
    return QuarantineRow(
        cursor=cursor_of("quarantine", at_us, quarantine_id),
        quarantined=kept_message(message, Quarantined),
        retried_at=moment_of(retried_us) if retried_us is not None else None,
    )
