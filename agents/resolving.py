"""The resolving step: from a payment reference to the invoice that it pays."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import assert_never

from agents.step import Envelope, Result, Step, record
from streams.codecs import decode_reference_message
from streams.domain.ids import MerchantId, notification_id
from streams.domain.notification import Notification, NotificationType
from streams.domain.payment import payment_of
from streams.domain.resolution import (
    ReferenceRow,
    Resolved,
    Waiting,
    assign,
    issue,
    resolve,
)
from streams.domain.sequence import Source
from streams.domain.settlement import Outcome, Settlement
from streams.happenings import (
    NoticeHeld,
    NoticeRepeated,
)
from streams.messages import (
    NoticeAssigned,
    NoticeMatched,
    NoticeReceived,
    Notified,
    ReferenceIssued,
)
from streams.payloads import webhook_body, webhook_data
from streams.ports import Record
from streams.topics import HISTORY, INVOICES, NOTIFICATIONS

References = MutableMapping[bytes, ReferenceRow]


def resolving(*, references: References) -> Step:
    """Build the step; it alone writes the references table."""

    def step(envelope: Envelope) -> Result:
        message = decode_reference_message(envelope.value)
        before = references.get(envelope.key) or ReferenceRow()
        match message:
            case NoticeReceived():
                after, result = _notice(before, message, envelope)
            case ReferenceIssued():
                after, freed = issue(before, message.invoice_id)
                result = _freed(message.merchant_id, freed, outcome="issued")
            case NoticeAssigned():
                after, freed = assign(
                    before,
                    notice_id=message.notice_id,
                    given_to=message.invoice_id,
                    assignment=message.assignment,
                    source=envelope.source,
                )
                result = _freed(message.merchant_id, freed, outcome="assigned")
            case _:
                assert_never(message)
        if after != before:
            references[envelope.key] = after
        return result

    return step


def _notice(
    row: ReferenceRow, message: NoticeReceived, envelope: Envelope
) -> tuple[ReferenceRow, Result]:
    heard = Waiting(
        notice=message.notice,
        received_at=message.received_at,
        at=envelope.now,
        source=envelope.source,
    )
    row, outcome = resolve(row, heard)
    facts = {"notice_id": heard.notice.notice_id, "merchant_id": message.merchant_id}
    if isinstance(outcome, Resolved):
        facts["invoice_id"] = outcome.invoice_id
        passed_on = _matched(message.merchant_id, outcome)
        return row, Result(records=(passed_on,), outcome="resolved", facts=facts)
    if outcome.repeated:
        said = NoticeRepeated(
            merchant_id=message.merchant_id, notice_id=heard.notice.notice_id, at=envelope.now
        )
        repeat = record(HISTORY, message.merchant_id, said)
        return row, Result(records=(repeat,), outcome="repeated", facts=facts)
    records = _held(message.merchant_id, outcome.waiting, envelope.origin)
    return row, Result(records=records, outcome="unmatched", facts=facts)


def _matched(merchant_id: MerchantId, resolved: Resolved) -> Record:
    message = NoticeMatched(
        merchant_id=merchant_id,
        invoice_id=resolved.invoice_id,
        notice=resolved.waiting.notice,
        received_at=resolved.waiting.received_at,
        assignment=resolved.assignment,
    )
    return record(INVOICES, resolved.invoice_id, message)


def _freed(merchant_id: MerchantId, freed: Sequence[Resolved], *, outcome: str) -> Result:
    records = tuple(_matched(merchant_id, resolved) for resolved in freed)
    return Result(
        records=records, outcome=outcome, facts={"merchant_id": merchant_id, "freed": len(freed)}
    )


def _held(merchant_id: MerchantId, waiting: Waiting, origin: Source) -> tuple[Record, ...]:
    """Tell the merchant that money came which nobody knows, and keep it where people look."""
    settlement = Settlement(
        notice_id=waiting.notice.notice_id,
        payment_id=waiting.notice.payment_id,
        invoice_id=None,
        outcome=Outcome.UNMATCHED,
        reason="no invoice is registered for this reference",
        rule="reference",
        decided_at=waiting.at,
    )
    kind = NotificationType.PAYMENT_UNMATCHED
    data = webhook_data(
        at=waiting.at,
        invoice=None,
        payment=payment_of((waiting.notice,)),
        settlement=settlement,
        notice=waiting.notice,
        received_at=waiting.received_at,
    )
    notification = Notification(
        notification_id=notification_id(waiting.notice.notice_id, kind),
        merchant_id=merchant_id,
        type=kind,
        at=waiting.at,
        body=webhook_body(kind, at=waiting.at, data=data),
    )
    told = Notified(merchant_id=merchant_id, notifications=(notification,), source=origin)
    kept = NoticeHeld(
        merchant_id=merchant_id,
        notice=waiting.notice,
        received_at=waiting.received_at,
        settlement=settlement,
        notifications=(notification,),
    )
    return (record(NOTIFICATIONS, merchant_id, told), record(HISTORY, merchant_id, kept))
