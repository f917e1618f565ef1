"""The JSON that the outside sees of invoices, payments and settlements: built in one place."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import orjson

from streams.domain.delivery import EndpointStatus
from streams.domain.health import StatusReason
from streams.domain.ids import EndpointId
from streams.domain.invoice import Fold, Invoice, InvoiceState, Reference, state_of
from streams.domain.notice import Notice
from streams.domain.notification import NotificationType
from streams.domain.payment import Payment
from streams.domain.settlement import Settlement

MICROSECONDS_PER_MILLISECOND = 1_000
TIMES_REMEMBERED_MAX = 1_024
"""One change of an invoice says each of its few times twice or more."""


@lru_cache(maxsize=TIMES_REMEMBERED_MAX)
def rfc3339(moment: datetime) -> str:
    """A time in UTC with `Z`; milliseconds are written where there are any."""
    whole = moment.microsecond < MICROSECONDS_PER_MILLISECOND
    text = moment.astimezone(UTC).isoformat(timespec="seconds" if whole else "milliseconds")
    return f"{text[:-6]}Z"


def payment_object(payment: Payment) -> dict[str, object]:
    """A payment as webhooks and the API show it."""
    return {
        "id": payment.payment_id,
        "channel": payment.channel,
        "state": payment.state,
        "amount_yen": payment.amount_yen,
        "paid_at": rfc3339(payment.paid_at),
        "reference": payment.reference,
        "account_id": payment.account_id,
        "store": {"chain": payment.store.chain, "code": payment.store.code}
        if payment.store
        else None,
    }


def _reference_object(reference: Reference) -> dict[str, object]:
    shown: dict[str, object] = {"account_id": reference.account_id, "value": reference.value}
    if reference.channel is not None:
        shown["channel"] = reference.channel
    if reference.chain is not None:
        shown["chain"] = reference.chain
    return shown


def invoice_object(
    invoice: Invoice, state: InvoiceState, *, updated_at: datetime
) -> dict[str, object]:
    """An invoice as webhooks show it."""
    terms = invoice.terms
    customer = terms.customer
    return {
        "id": terms.invoice_id,
        "invoice_number": terms.invoice_number,
        "status": state.status,
        "amount_yen": terms.amount_yen,
        "paid_yen": state.paid_yen,
        "preliminary_yen": state.preliminary_yen,
        "excess_yen": state.excess_yen,
        "balance_yen": state.balance_yen,
        "due_at": rfc3339(terms.due_at),
        "customer": {"name": customer.name, "kana": customer.kana} if customer else None,
        "metadata": dict(terms.metadata),
        "payments": [payment_object(payment) for payment in state.payments],
        "references": [_reference_object(reference) for reference in terms.references],
        "created_at": rfc3339(terms.created_at),
        "updated_at": rfc3339(updated_at),
    }


def invoice_history(invoice: Invoice) -> list[dict[str, object]]:
    """The statuses that an invoice went through, each with its time and what caused it."""
    fold = Fold(invoice.terms)
    status = fold.status
    shown: list[dict[str, object]] = [
        {"status": status, "at": rfc3339(invoice.terms.created_at), "cause": "registered"}
    ]
    for entry in invoice.journal:
        fold.add(entry)
        if fold.status is not status:
            status = fold.status
            cause = entry.notice.notice_id if entry.type == "notice" else entry.type
            shown.append({"status": status, "at": rfc3339(entry.at), "cause": cause})
    return shown


def full_invoice_object(invoice: Invoice, state: InvoiceState | None = None) -> dict[str, object]:
    """An invoice as the API shows it, with its history; `state` where it is known already."""
    updated_at = invoice.journal[-1].at if invoice.journal else invoice.terms.created_at
    known = state or state_of(invoice.terms, invoice.journal)
    shown = invoice_object(invoice, known, updated_at=updated_at)
    shown["history"] = invoice_history(invoice)
    return shown


def webhook_data(
    *,
    at: datetime,
    invoice: dict[str, object] | None,
    payment: Payment | None,
    settlement: Settlement | None,
    notice: Notice | None,
    received_at: datetime | None,
) -> bytes:
    """What all notifications of one event say, encoded once."""
    data: dict[str, object] = {
        "invoice": invoice,
        "payment": payment_object(payment) if payment else None,
        "settlement": _settlement_object(settlement) if settlement else None,
        "stages": {
            "channel_at": rfc3339(notice.channel_at) if notice and notice.channel_at else None,
            "received_at": rfc3339(received_at) if received_at else None,
            "matched_at": rfc3339(at),
        },
    }
    return orjson.dumps(data)


def endpoint_data(
    endpoint_id: EndpointId,
    status: EndpointStatus,
    reason: StatusReason | None,
    *,
    failing_since: datetime | None,
) -> bytes:
    """What a notification about an endpoint says.

    Nothing that a person may change meanwhile: made again after a crash it must be the same.
    """
    shown = {
        "id": endpoint_id,
        "status": status,
        "status_reason": reason,
        "failing_since": rfc3339(failing_since) if failing_since else None,
    }
    return orjson.dumps({"endpoint": shown})


def webhook_body(kind: NotificationType, *, at: datetime, data: bytes) -> str:
    """The body of one notification, built once and sent byte for byte the same ever after."""
    body = {"type": kind, "timestamp": rfc3339(at), "data": orjson.Fragment(data)}
    return orjson.dumps(body).decode()


def _settlement_object(settlement: Settlement) -> dict[str, object]:
    shown: dict[str, object] = {
        "outcome": settlement.outcome,
        "reason": settlement.reason,
        "rule": settlement.rule,
        "notice_id": settlement.notice_id,
        "balance_before_yen": settlement.balance_before_yen,
        "balance_after_yen": settlement.balance_after_yen,
    }
    if settlement.assignment is not None:
        shown["assigned_by"] = settlement.assignment.by
        shown["assigned_reason"] = settlement.assignment.reason
    return shown
