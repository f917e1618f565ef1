"""Settling: what one notice, cancellation or deadline does to one invoice (消込)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import takewhile

from streams.domain.errors import OverLimit
from streams.domain.ids import InvoiceId, NoticeId, PaymentId
from streams.domain.invoice import (
    JOURNAL_ENTRIES_MAX,
    JOURNAL_ENTRIES_RESERVED,
    SETTLED,
    Assignment,
    Cancelled,
    DeadlinePassed,
    Entry,
    Fold,
    Invoice,
    InvoiceState,
    InvoiceStatus,
    InvoiceTerms,
    NoticeApplied,
    state_of,
)
from streams.domain.notice import Notice
from streams.domain.notification import TOLD_OF_NOTICE, NotificationType, told_of_change
from streams.domain.payment import Payment, payment_of

NOT_DUE = "not_due"
"""Why a deadline is refused that has not come yet."""


class Outcome(StrEnum):
    """What a notice did: 消込結果."""

    MATCHED = "matched"
    PARTIAL = "partial"
    OVERPAID = "overpaid"
    DUPLICATE = "duplicate"
    LATE = "late"
    AFTER_CANCEL = "after_cancel"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The decision on one notice, with all that an auditor asks about it."""

    notice_id: NoticeId
    payment_id: PaymentId
    invoice_id: InvoiceId | None
    outcome: Outcome
    reason: str
    rule: str
    decided_at: datetime
    balance_before_yen: int | None = None
    balance_after_yen: int | None = None
    assignment: Assignment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """An entry took effect: the invoice after it, and what is to be told.

    `version` counts the journal's entries up to this one. `before` and `state` are the states
    right before and after it, which on a replay are older than the invoice.
    """

    invoice: Invoice
    entry: Entry
    version: int
    before: InvoiceState
    state: InvoiceState
    told: tuple[NotificationType, ...]
    settlement: Settlement | None = None
    payment: Payment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """The channel said again what it had said before; nothing changes."""

    notice_id: NoticeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A command that the invoice's state does not allow, or that has nothing to do."""

    reason: str


def settle(invoice: Invoice, applied: NoticeApplied) -> Changed | Repeated:
    """Apply a notice; raise `OverLimit` when the invoice's journal is full.

    A notice that takes counted money back always fits: it would be wrong to go on counting it.

    A notice that is in the journal already is either a replay of the log (same source): then
    the decision is made again from what was known at the time, so that outputs lost in a crash
    are emitted again unchanged; or a repeat by the channel: then nothing happens.
    """
    for index, entry in enumerate(invoice.journal):
        if not isinstance(entry, NoticeApplied):
            continue
        if entry.notice.notice_id == applied.notice.notice_id:
            if entry.source == applied.source:
                return _decide_notice(invoice, index, entry)
            return Repeated(notice_id=applied.notice.notice_id)
    return _decide_notice(_with_entry(invoice, applied), len(invoice.journal), applied)


def cancel(invoice: Invoice, cancelled: Cancelled) -> Changed | Refused:
    """Cancel an invoice that is not paid; an invoice that is cancelled stays as it is.

    A request that was refused is refused again when it is replayed, whatever happened since:
    whoever asked was told so.
    """
    for index, entry in enumerate(invoice.journal):
        if isinstance(entry, Cancelled) and entry.source == cancelled.source:
            return _decide(invoice, index, entry)
    known = Fold(invoice.terms, _known_at(invoice, cancelled.source))
    if known.is_cancelled:
        return Refused(reason="already_cancelled")
    if known.status in SETTLED:
        return Refused(reason="paid")
    return _decide(_with_entry(invoice, cancelled), len(invoice.journal), cancelled)


def pass_deadline(invoice: Invoice, passed: DeadlinePassed) -> Changed | Refused:
    """Record that the deadline went by, where that still means anything."""
    for index, entry in enumerate(invoice.journal):
        if isinstance(entry, DeadlinePassed):
            if entry.source == passed.source:
                return _decide(invoice, index, entry)
            return Refused(reason="already_passed")
    if passed.at < invoice.terms.deadline:
        return Refused(reason=NOT_DUE)
    if not awaits_deadline(state_of(invoice.terms, _known_at(invoice, passed.source))):
        return Refused(reason="closed")
    return _decide(_with_entry(invoice, passed), len(invoice.journal), passed)


def awaits_deadline(state: InvoiceState | Fold) -> bool:
    """Whether the passing of the deadline would still change something."""
    return state.status in {InvoiceStatus.OPEN, InvoiceStatus.PART_PAID}


def _known_at(invoice: Invoice, source: str) -> tuple[Entry, ...]:
    """What had happened when the record at this place was read first.

    All that happens to one invoice is read from one partition, so offsets tell its order.
    """
    offset = _offset(source)
    return tuple(entry for entry in invoice.journal if _offset(entry.source) < offset)


def _offset(source: str) -> int:
    return int(source.rpartition("/")[2])


def _with_entry(invoice: Invoice, entry: Entry) -> Invoice:
    # Of what is no notice there is one each, so it is never refused for want of room.
    if isinstance(entry, NoticeApplied) and len(invoice.journal) >= JOURNAL_ENTRIES_MAX:
        _must_fit(invoice, entry.notice)
    return replace(invoice, journal=(*invoice.journal, entry))


def _must_fit(invoice: Invoice, notice: Notice) -> None:
    said = [
        entry.notice
        for entry in invoice.journal
        if isinstance(entry, NoticeApplied) and entry.notice.payment_id == notice.payment_id
    ]
    most = JOURNAL_ENTRIES_MAX + (JOURNAL_ENTRIES_RESERVED if said else 0)
    if len(invoice.journal) < most or (said and _takes_back(said, notice)):
        return
    raise OverLimit(f"an invoice keeps at most {most} entries of this kind")


def _takes_back(said: Sequence[Notice], notice: Notice) -> bool:
    """Whether a payment counts no more after this notice.

    There are never more of these than of the others, each of which made one payment count.
    """
    return payment_of(said).live_yen > 0 == payment_of([*said, notice]).live_yen


def _decide(invoice: Invoice, index: int, entry: Entry) -> Changed:
    """What the entry at `index` did, from the journal up to it alone."""
    fold = Fold(invoice.terms, invoice.journal[:index])
    return _decide_on(fold, invoice, index, entry)


def _decide_on(fold: Fold, invoice: Invoice, index: int, entry: Entry) -> Changed:
    before = fold.state()
    fold.add(entry)
    after = fold.state()
    return Changed(
        invoice=invoice,
        entry=entry,
        version=index + 1,
        before=before,
        state=after,
        told=_told(before, entry, after),
    )


def _told(before: InvoiceState, entry: Entry, after: InvoiceState) -> tuple[NotificationType, ...]:
    change = told_of_change(before, after)
    if isinstance(entry, NoticeApplied):
        return (TOLD_OF_NOTICE[entry.notice.kind], *change)
    return change


def told_before(change: Changed) -> list[tuple[Entry, NotificationType]]:
    """What the entries before this one told, in order, each with the entry that it follows from."""
    told: list[tuple[Entry, NotificationType]] = []
    if change.version == 1:
        return told
    fold = Fold(change.invoice.terms)
    before = fold.state()
    for entry in change.invoice.journal[: change.version - 1]:
        fold.add(entry)
        after = fold.state()
        told += [(entry, kind) for kind in _told(before, entry, after)]
        before = after
    return told


def _decide_notice(invoice: Invoice, index: int, entry: NoticeApplied) -> Changed:
    fold = Fold(invoice.terms, invoice.journal[:index])
    change = _decide_on(fold, invoice, index, entry)
    payment = fold.payments[entry.notice.payment_id]
    outcome, reason = classify(invoice.terms, fold, payment)
    settlement = Settlement(
        notice_id=entry.notice.notice_id,
        payment_id=payment.payment_id,
        invoice_id=invoice.terms.invoice_id,
        outcome=outcome,
        reason=reason,
        rule="assigned" if entry.assignment else "reference",
        decided_at=entry.at,
        balance_before_yen=change.before.balance_yen,
        balance_after_yen=change.state.balance_yen,
        assignment=entry.assignment,
    )
    return replace(change, settlement=settlement, payment=payment)


def classify(terms: InvoiceTerms, known: Fold, payment: Payment) -> tuple[Outcome, str]:
    """The outcome for a payment and why, against the payments heard of before it."""
    others = known.payments.values()
    earlier = takewhile(lambda other: other.payment_id != payment.payment_id, others)
    earlier_yen = sum(other.live_yen for other in earlier)
    if not payment.live_yen:
        return Outcome.MATCHED, f"the payment is {payment.state}; its money no longer counts"
    if known.is_cancelled:
        return Outcome.AFTER_CANCEL, "the invoice was cancelled before this notice"
    if terms.due_at <= terms.created_at:
        return Outcome.LATE, "the invoice was past its due time when it was registered"
    if payment.paid_at > terms.deadline:
        return Outcome.LATE, "paid after the due time and its grace"
    if earlier_yen >= terms.amount_yen:
        return Outcome.DUPLICATE, "the amount was already paid by another payment"
    return _by_amount(payment.live_yen, terms.amount_yen - earlier_yen)


def _by_amount(paid_yen: int, open_yen: int) -> tuple[Outcome, str]:
    if paid_yen < open_yen:
        return Outcome.PARTIAL, f"{open_yen - paid_yen} yen less than what is open"
    if paid_yen > open_yen:
        return Outcome.OVERPAID, f"{paid_yen - open_yen} yen more than what is open"
    return Outcome.MATCHED, "reference and amount agree"
