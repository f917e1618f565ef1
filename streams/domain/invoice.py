"""An invoice: its terms, the journal of what happened to it, and the state folded from both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from streams.domain.ids import AccountId, InvoiceId, MerchantId, PaymentId
from streams.domain.notice import ChannelKind, Notice
from streams.domain.payment import Payment, PaymentState, payment_of

GRACE_SECONDS_DEFAULT = 3_600
"""A slip printed at the kiosk can still be paid about half an hour after it expired."""
JOURNAL_ENTRIES_MAX = 100
"""With so much in its journal an invoice takes no new payment: each is quarantined, not lost."""
JOURNAL_ENTRIES_RESERVED = 50
"""So many more notices may tell of the payments it has. What takes counted money back always fits,
as do the one cancellation and the one deadline."""


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


class Fold:
    """Folds a journal entry by entry; each costs the same, however long the journal is.

    The state depends on the set of entries that were added, not on their order.
    """

    def __init__(self, terms: InvoiceTerms, journal: Iterable[Entry] = ()) -> None:
        self._terms = terms
        self._withheld = terms.release.needs_confirmation(terms.amount_yen)
        self._notices: dict[PaymentId, list[Notice]] = {}
        self.payments: dict[PaymentId, Payment] = {}
        """In the order in which each was first heard of."""
        self._live_yen = self._preliminary_yen = 0
        self.is_cancelled = False
        self._latest = terms.created_at
        for entry in journal:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take in one more entry."""
        self._latest = max(self._latest, entry.at)
        if isinstance(entry, Cancelled):
            self.is_cancelled = True
        elif isinstance(entry, NoticeApplied):
            self._hear(entry.notice)

    def _hear(self, notice: Notice) -> None:
        payment_id = notice.payment_id
        said = self._notices.setdefault(payment_id, [])
        said.append(notice)
        before, after = self.payments.get(payment_id), payment_of(said)
        self.payments[payment_id] = after
        self._live_yen += after.live_yen - (before.live_yen if before else 0)
        self._preliminary_yen += _preliminary_yen(after) - _preliminary_yen(before)

    @property
    def _counted_yen(self) -> int:
        return self._live_yen - self._preliminary_yen if self._withheld else self._live_yen

    @property
    def status(self) -> InvoiceStatus:
        """Where the invoice stands after the entries so far."""
        counted_yen, amount_yen = self._counted_yen, self._terms.amount_yen
        if self.is_cancelled:
            return InvoiceStatus.CANCELLED
        if counted_yen >= amount_yen:
            paid = counted_yen == amount_yen
            return InvoiceStatus.PAID if paid else InvoiceStatus.OVERPAID
        # Money in full that only awaits its confirmation keeps an invoice from expiring.
        if self._live_yen < amount_yen and self._latest >= self._terms.deadline:
            return InvoiceStatus.EXPIRED
        return InvoiceStatus.PART_PAID if counted_yen else InvoiceStatus.OPEN

    def state(self) -> InvoiceState:
        """Everything that follows from the entries so far."""
        counted_yen = self._counted_yen
        owed_yen = 0 if self.is_cancelled else self._terms.amount_yen
        paid_yen = min(counted_yen, owed_yen)
        payments = list(self.payments.values())
        if len(payments) > 1:
            payments.sort(key=lambda p: (p.paid_at, p.payment_id))
        return InvoiceState(
            status=self.status,
            paid_yen=paid_yen,
            excess_yen=counted_yen - paid_yen,
            preliminary_yen=self._preliminary_yen,
            balance_yen=owed_yen - paid_yen,
            payments=tuple(payments),
        )


def _preliminary_yen(payment: Payment | None) -> int:
    if payment is None or payment.state is not PaymentState.PRELIMINARY:
        return 0
    return payment.amount_yen


def state_of(terms: InvoiceTerms, journal: Iterable[Entry]) -> InvoiceState:
    """Fold a whole journal."""
    return Fold(terms, journal).state()
