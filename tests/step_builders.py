"""Builders of what the steps read, and readers of what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from agents.step import Envelope
from streams.codecs import (
    decode_archived,
    decode_directory_message,
    decode_invoice_message,
    decode_notification_message,
    decode_reference_message,
    encode,
)
from streams.domain.invoice import Assignment, Cancelled, DeadlinePassed, InvoiceTerms
from streams.domain.notice import Notice
from streams.domain.notification import Notification
from streams.domain.resolution import Waiting
from streams.messages import CancelRequested, InvoiceDue, NoticeMatched, Notified
from streams.ports import Place, Record
from tests.builders import NOW, a_notice

M = TypeVar("M")

DECODERS: dict[str, Callable[[bytes], object]] = {
    "references": decode_reference_message,
    "invoices": decode_invoice_message,
    "notifications": decode_notification_message,
    "history": decode_archived,
    "quarantine": decode_archived,
    "directory": decode_directory_message,
}


def a_waiting(
    *,
    notice: Notice | None = None,
    at: datetime = NOW,
    received_at: datetime | None = None,
    source: str = "references/0/0",
) -> Waiting:
    """A notice as the resolving step reads it."""
    return Waiting(notice=notice or a_notice(), received_at=received_at or at, at=at, source=source)


def an_assignment(*, by: str = "person", reason: str = "asked the payer") -> Assignment:
    return Assignment(by=by, reason=reason)


def a_cancelled(
    *, request_id: str = "req_one", at: datetime = NOW, source: str = "invoices/0/0"
) -> Cancelled:
    return Cancelled(request_id=request_id, at=at, source=source)


def a_deadline_passed(*, at: datetime = NOW, source: str = "invoices/0/0") -> DeadlinePassed:
    return DeadlinePassed(at=at, source=source)


def an_envelope(
    message: object,
    *,
    key: str | bytes = b"",
    topic: str = "references",
    partition: int = 0,
    offset: int = 0,
    now: datetime = NOW,
    traceparent: str = "",
) -> Envelope:
    """A message as a step reads it from its place in the log; bytes are taken as they are."""
    return Envelope(
        key=key.encode() if isinstance(key, str) else key,
        value=message if isinstance(message, bytes) else encode(message),
        place=Place(topic=topic, partition=partition, offset=offset),
        now=now,
        traceparent=traceparent,
    )


def a_notice_matched(
    notice: Notice,
    *,
    terms: InvoiceTerms,
    received_at: datetime = NOW,
    assignment: Assignment | None = None,
) -> NoticeMatched:
    return NoticeMatched(
        merchant_id=terms.merchant_id,
        invoice_id=terms.invoice_id,
        notice=notice,
        received_at=received_at,
        assignment=assignment,
    )


def a_cancel_requested(*, terms: InvoiceTerms, request_id: str = "req_one") -> CancelRequested:
    return CancelRequested(
        merchant_id=terms.merchant_id, invoice_id=terms.invoice_id, request_id=request_id
    )


def an_invoice_due(*, terms: InvoiceTerms, at: datetime | None = None) -> InvoiceDue:
    return InvoiceDue(
        merchant_id=terms.merchant_id, invoice_id=terms.invoice_id, at=at or terms.deadline
    )


def messages(records: Iterable[Record]) -> list[object]:
    """What the records say, each read as its topic's readers do; a removal says nothing."""
    return [DECODERS[record.topic](record.value) for record in records if record.value]


def said(records: Iterable[Record], kind: type[M]) -> list[M]:
    """The messages of one kind, in order."""
    return [message for message in messages(records) if isinstance(message, kind)]


def told(records: Iterable[Record]) -> list[Notification]:
    """The notifications that are on their way to the merchant."""
    return [each for message in said(records, Notified) for each in message.notifications]
