"""Single questions with a short answer: who claimed it, what became of it, was it heard."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from connectors.history.kept import kept_message
from connectors.history.sql import array, moment_of, select
from streams.codecs import decode_terms
from streams.domain.ids import AccountId, InvoiceId, NoticeId
from streams.domain.invoice import InvoiceStatus, InvoiceTerms
from streams.happenings import NoticeAccepted


def terms_of(connection: sqlite3.Connection, invoice_id: InvoiceId) -> InvoiceTerms | None:
    """The terms of a registration."""
    text = _text(connection, "SELECT terms FROM registrations WHERE invoice_id = ?", invoice_id)
    return decode_terms(text.encode()) if text is not None else None


def claimed_by(
    connection: sqlite3.Connection, account_id: AccountId, reference: str
) -> InvoiceId | None:
    """The invoice that owns a reference."""
    statement = "SELECT invoice_id FROM claims WHERE account_id = ? AND reference = ?"
    owner = _text(connection, statement, account_id, reference)
    return InvoiceId(owner) if owner is not None else None


def statuses(
    connection: sqlite3.Connection, invoice_ids: Sequence[InvoiceId]
) -> dict[InvoiceId, InvoiceStatus]:
    """The status of each invoice that is known."""
    source = "invoices WHERE invoice_id IN (SELECT value FROM json_each(?))"
    found = select(connection, "invoice_id, status", source, [array(invoice_ids)])
    return {InvoiceId(invoice_id): InvoiceStatus(status) for invoice_id, status in found}


def command(connection: sqlite3.Connection, request_id: str) -> str | None:
    """Why a command was refused, or nothing when it took effect."""
    return _text(connection, "SELECT refused FROM commands WHERE request_id = ?", request_id)


def has_notice(connection: sqlite3.Connection, notice_id: NoticeId) -> bool:
    """Whether there is a row of this notice."""
    statement = "SELECT notice_id FROM notices WHERE notice_id = ?"
    return _text(connection, statement, notice_id) is not None


def raw_notice(connection: sqlite3.Connection, notice_id: NoticeId) -> NoticeAccepted | None:
    """A notice as it came."""
    statement = "SELECT message FROM raw_notices WHERE notice_id = ?"
    text = _text(connection, statement, notice_id)
    return kept_message(text, NoticeAccepted) if text is not None else None


def archived_to(
    connection: sqlite3.Connection, topic: str, partition: int
) -> tuple[int, datetime | None]:
    """How far a partition was stored."""
    source = "archived WHERE topic = ? AND partition = ?"
    found = select(connection, "next_offset, recorded_us", source, [topic, partition])
    if not found:
        return 0, None
    next_offset, recorded_us = found[0]
    return next_offset, moment_of(recorded_us)


def _text(connection: sqlite3.Connection, statement: str, *values: object) -> str | None:
    row = connection.execute(statement, values).fetchone()
    return None if row is None else str(row[0])
