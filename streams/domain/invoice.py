"""An invoice: its terms, the journal of what happened to it, and the state folded from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from streams.domain.ids import AccountId, InvoiceId, MerchantId, PaymentId
from streams.domain.notice import ChannelKind, Notice
from streams.domain.payment import Payment, PaymentState, payment_of

GRACE_SECONDS_DEFAULT = 3_600
"""A slip printed at the kiosk can still be paid about half an hour after it expired."""
JOURNAL_ENTRIES_MAX = 500
"""The most that can happen to one invoice; what comes after is quarantined, not lost."""


class ReleaseOn(StrEnum):
    """Which word of the channel makes money count for the merchant."""

    PRELIMINARY = "preliminary"
    CONFIRMED = "confirmed"


class InvoiceStatus(StrEnum):
    """Where an invoice stands."""

    OPEN = "open"
    PART_PAID = "part_paid"
    PAID = "paid"
    OVERPAID = "overpaid"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


SETTLED = frozenset({InvoiceStatus.PAID, InvoiceStatus.OVERPAID})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePolicy:
    """When the merchant lets an order go; from `confirmed_from_yen` on only when confirmed."""

    release_on: ReleaseOn = ReleaseOn.PRELIMINARY
    confirmed_from_yen: int | None = None

    def needs_confirmation(self, amount_yen: int) -> bool:
        """Whether an invoice of this amount is paid only by confirmed money."""
        if self.release_on is ReleaseOn.CONFIRMED:
            return True
        return self.confirmed_from_yen is not None and amount_yen >= self.confirmed_from_yen


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A number that ties a payment to the invoice, within one channel account."""

    account_id: AccountId
    value: str
    channel: ChannelKind | None = None
    chain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who is billed, as the merchant names them."""

    name: str | None = None
    kana: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceTerms:
    """What was registered; never changes afterwards."""

    invoice_id: InvoiceId
    merchant_id: MerchantId
    invoice_number: str
    amount_yen: int
    due_at: datetime
    created_at: datetime
    grace_seconds: int = GRACE_SECONDS_DEFAULT
    release: ReleasePolicy = field(default_factory=ReleasePolicy)
    references: tuple[Reference, ...] = ()
    customer: Customer | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def deadline(self) -> datetime:
        """Money paid after this is late. An invoice imported past its due date has no grace."""
        if self.due_at <= self.created_at:
            return self.due_at
        return self.due_at + timedelta(seconds=self.grace_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A person's decision that a notice pays this invoice."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeApplied:
    """A notice was settled; `source` is the place in the log that it was read from."""

    notice: Notice
    received_at: datetime
    at: datetime
    source: str
    assignment: Assignment | None = None
    type: Literal["notice"] = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The merchant wants no money for this invoice any more."""

    request_id: str
    at: datetime
    source: str
    type: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed:
    """The due time and its grace went by before the invoice was paid."""

    at: datetime
    source: str
    type: Literal["deadline"] = "deadline"


Entry = NoticeApplied | Cancelled | DeadlinePassed


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """The terms and all that happened, in the order in which it was decided here."""

    terms: InvoiceTerms
    journal: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceState:
    """What follows from the terms and the set of what happened.

    `paid_yen` never passes the amount; what came beyond it, and all that came for a cancelled
    invoice, is `excess_yen`, so that counted money = paid + excess always.
    """

    status: InvoiceStatus
    paid_yen: int
    excess_yen: int
    preliminary_yen: int
    balance_yen: int
    payments: tuple[Payment, ...]


def payments_of(journal: Sequence[Entry]) -> dict[PaymentId, Payment]:
    """The payments in a journal, in the order in which each was first heard of."""
    notices: dict[PaymentId, list[Notice]] = {}
    for entry in journal:
        if isinstance(entry, NoticeApplied):
            notices.setdefault(entry.notice.payment_id, []).append(entry.notice)
    return {payment_id: payment_of(said) for payment_id, said in notices.items()}


def is_cancelled(journal: Sequence[Entry]) -> bool:
    """Whether the merchant cancelled the invoice."""
    return any(isinstance(entry, Cancelled) for entry in journal)


def state_of(terms: InvoiceTerms, journal: Sequence[Entry]) -> InvoiceState:
    """Fold a journal; the result depends on the set of its entries, not on their order."""
    payments = sorted(payments_of(journal).values(), key=lambda p: (p.paid_at, p.payment_id))
    live_yen = sum(payment.live_yen for payment in payments)
    preliminary_yen = sum(p.live_yen for p in payments if p.state is PaymentState.PRELIMINARY)
    withheld = terms.release.needs_confirmation(terms.amount_yen)
    counted_yen = live_yen - preliminary_yen if withheld else live_yen
    owed_yen = 0 if is_cancelled(journal) else terms.amount_yen
    paid_yen = min(counted_yen, owed_yen)
    return InvoiceState(
        status=_status(terms, journal, counted_yen=counted_yen, live_yen=live_yen),
        paid_yen=paid_yen,
        excess_yen=counted_yen - paid_yen,
        preliminary_yen=preliminary_yen,
        balance_yen=owed_yen - paid_yen,
        payments=tuple(payments),
    )


def _status(
    terms: InvoiceTerms, journal: Sequence[Entry], *, counted_yen: int, live_yen: int
) -> InvoiceStatus:
    if is_cancelled(journal):
        return InvoiceStatus.CANCELLED
    if counted_yen == terms.amount_yen:
        return InvoiceStatus.PAID
    if counted_yen > terms.amount_yen:
        return InvoiceStatus.OVERPAID
    # Money in full that only awaits its confirmation keeps an invoice from expiring.
    if live_yen < terms.amount_yen and has_lapsed(terms, journal):
        return InvoiceStatus.EXPIRED
    return InvoiceStatus.PART_PAID if counted_yen else InvoiceStatus.OPEN


def has_lapsed(terms: InvoiceTerms, journal: Sequence[Entry]) -> bool:
    """Whether the latest thing we know of happened at or after the deadline."""
    latest = max((entry.at for entry in journal), default=terms.created_at)
    return max(latest, terms.created_at) >= terms.deadline
