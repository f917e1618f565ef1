"""The settling step: what each notice, cancellation and deadline does to its invoice."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import replace
from datetime import datetime

import orjson

from agents.step import Envelope, Result, Step, record
from streams.codecs import decode_invoice_message
from streams.domain.errors import Malformed, UnknownInvoice
from streams.domain.ids import InvoiceId, MerchantId, notification_id
from streams.domain.invoice import (
    Cancelled,
    DeadlinePassed,
    Entry,
    Fold,
    Invoice,
    InvoiceTerms,
    NoticeApplied,
    state_of,
)
from streams.domain.notification import Notification, Told
from streams.domain.settlement import (
    NOT_DUE,
    Changed,
    Refused,
    Repeated,
    awaits_deadline,
    cancel,
    pass_deadline,
    settle,
    told_before,
)
from streams.happenings import (
    InvoiceChanged,
    NoticeRepeated,
)
from streams.messages import (
    CancelRequested,
    InvoiceDue,
    InvoiceRegistered,
    NoticeMatched,
    Notified,
)
from streams.payloads import full_invoice_object, webhook_body, webhook_data
from streams.ports import Record
from streams.topics import HISTORY, NOTIFICATIONS

EARLIER_MAX = 32
"""Notifications of the same invoice that a new one may have to wait for. Each of them waits for
those before it, so an older one is overtaken only by what comes after 32 that an endpoint does
not want."""

Invoices = MutableMapping[bytes, Invoice]
Watch = Callable[[InvoiceId, MerchantId, datetime], None]
"""Asks for an `InvoiceDue` tick when the deadline comes."""


def settling(*, invoices: Invoices, watch: Watch) -> Step:
    """Build the step; it alone writes the invoices table."""

    def step(envelope: Envelope) -> Result:
        message = decode_invoice_message(envelope.value)
        before = invoices.get(envelope.key)
        if isinstance(message, InvoiceRegistered):
            invoice, result = _register(before, message.terms)
        elif before is None:
            raise UnknownInvoice(f"the invoice {message.invoice_id} is not registered")
        else:
            invoice, result = _happen(before, message, envelope)
        if invoice is not before:
            invoices[envelope.key] = invoice
        # A tick that came early is spent, so another one is asked for.
        if invoice is not before or result.outcome == NOT_DUE:
            terms = invoice.terms
            if awaits_deadline(Fold(terms, invoice.journal)):
                watch(terms.invoice_id, terms.merchant_id, terms.deadline)
        return result

    return step


def _register(before: Invoice | None, terms: InvoiceTerms) -> tuple[Invoice, Result]:
    if before is not None and before.terms != terms:
        raise Malformed(f"the invoice {terms.invoice_id} is registered with other terms")
    invoice = before or Invoice(terms=terms)
    first = Invoice(terms=terms)
    said = InvoiceChanged(
        merchant_id=terms.merchant_id,
        invoice_id=terms.invoice_id,
        version=0,
        at=terms.created_at,
        invoice_number=terms.invoice_number,
        status=state_of(terms, ()).status,
        shown=orjson.dumps(full_invoice_object(first)).decode(),
    )
    facts = {"invoice_id": terms.invoice_id, "merchant_id": terms.merchant_id}
    records = (record(HISTORY, terms.merchant_id, said),)
    return invoice, Result(records=records, outcome="registered", facts=facts)


def _happen(
    invoice: Invoice, message: NoticeMatched | CancelRequested | InvoiceDue, envelope: Envelope
) -> tuple[Invoice, Result]:
    match message:
        case NoticeMatched():
            applied = NoticeApplied(
                notice=message.notice,
                received_at=message.received_at,
                at=envelope.now,
                source=envelope.source,
                assignment=message.assignment,
            )
            decided = settle(invoice, applied)
            return _told(invoice, decided, envelope, request_id=None)
        case CancelRequested():
            cancelled = Cancelled(
                request_id=message.request_id, at=envelope.now, source=envelope.source
            )
            decided_cancel = cancel(invoice, cancelled)
            return _told(invoice, decided_cancel, envelope, request_id=message.request_id)
        case InvoiceDue():
            passed = DeadlinePassed(at=message.at, source=envelope.source)
            return _told(invoice, pass_deadline(invoice, passed), envelope, request_id=None)


def _told(
    invoice: Invoice,
    decided: Changed | Repeated | Refused,
    envelope: Envelope,
    *,
    request_id: str | None,
) -> tuple[Invoice, Result]:
    terms = invoice.terms
    facts: dict[str, object] = {
        "invoice_id": terms.invoice_id,
        "merchant_id": terms.merchant_id,
    }
    match decided:
        case Changed():
            after = decided.invoice if decided.invoice.journal != invoice.journal else invoice
            return after, _changed(decided, envelope, facts, request_id)
        case Repeated():
            said = NoticeRepeated(
                merchant_id=terms.merchant_id, notice_id=decided.notice_id, at=envelope.now
            )
            facts["notice_id"] = decided.notice_id
            repeat = record(HISTORY, terms.merchant_id, said)
            return invoice, Result(records=(repeat,), outcome="repeated", facts=facts)
        case Refused():
            records = _refused(invoice, decided, envelope.now, request_id) if request_id else ()
            return invoice, Result(records=records, outcome=decided.reason, facts=facts)


def _changed(
    change: Changed, envelope: Envelope, facts: dict[str, object], request_id: str | None
) -> Result:
    terms, entry = change.invoice.terms, change.entry
    prefix = replace(change.invoice, journal=change.invoice.journal[: change.version])
    shown = full_invoice_object(prefix, change.state)
    # A webhook tells of one change; the states before it are for the API.
    told = {name: value for name, value in shown.items() if name != "history"}
    notifications = _notifications(change, told)
    said = InvoiceChanged(
        merchant_id=terms.merchant_id,
        invoice_id=terms.invoice_id,
        version=change.version,
        at=entry.at,
        invoice_number=terms.invoice_number,
        status=change.state.status,
        shown=orjson.dumps(shown).decode(),
        notice=entry.notice if isinstance(entry, NoticeApplied) else None,
        settlement=change.settlement,
        notifications=notifications,
        request_id=request_id,
    )
    records: list[Record] = []
    if notifications:
        notified = Notified(
            merchant_id=terms.merchant_id,
            notifications=notifications,
            source=envelope.origin,
            earlier=_earlier(change),
        )
        records.append(record(NOTIFICATIONS, terms.merchant_id, notified))
    records.append(record(HISTORY, terms.merchant_id, said))
    if change.settlement is not None:
        facts["notice_id"] = change.settlement.notice_id
    facts["status"] = change.state.status
    outcome = change.settlement.outcome if change.settlement else entry.type
    return Result(records=tuple(records), outcome=outcome, facts=facts)


def _notifications(change: Changed, shown: dict[str, object]) -> tuple[Notification, ...]:
    terms, entry = change.invoice.terms, change.entry
    notice = entry.notice if isinstance(entry, NoticeApplied) else None
    data = webhook_data(
        at=entry.at,
        invoice=shown,
        payment=change.payment,
        settlement=change.settlement,
        notice=notice,
        received_at=entry.received_at if isinstance(entry, NoticeApplied) else None,
    )
    return tuple(
        Notification(
            notification_id=notification_id(_cause(terms, entry), kind),
            merchant_id=terms.merchant_id,
            type=kind,
            at=entry.at,
            invoice_id=terms.invoice_id,
            body=webhook_body(kind, at=entry.at, data=data),
        )
        for kind in change.told
    )


def _cause(terms: InvoiceTerms, entry: Entry) -> str:
    if isinstance(entry, NoticeApplied):
        return entry.notice.notice_id
    return f"{terms.invoice_id}:{entry.type}"


def _earlier(change: Changed) -> tuple[Told, ...]:
    terms, told = change.invoice.terms, told_before(change)
    return tuple(
        Told(notification_id=notification_id(_cause(terms, entry), kind), at=entry.at)
        for entry, kind in reversed(told[-EARLIER_MAX:])
    )


def _refused(
    invoice: Invoice, refused: Refused, at: datetime, request_id: str
) -> tuple[Record, ...]:
    """The answer to a command that was refused; whoever asked waits for it."""
    terms = invoice.terms
    said = InvoiceChanged(
        merchant_id=terms.merchant_id,
        invoice_id=terms.invoice_id,
        version=len(invoice.journal),
        at=at,
        invoice_number=terms.invoice_number,
        status=state_of(terms, invoice.journal).status,
        shown=orjson.dumps(full_invoice_object(invoice)).decode(),
        request_id=request_id,
        refused=refused.reason,
    )
    return (record(HISTORY, terms.merchant_id, said),)
