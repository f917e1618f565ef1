"""A notice: what a channel says once about money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from streams.domain.errors import Malformed
from streams.domain.ids import AccountId, NoticeId, PaymentId

AMOUNT_YEN_MAX = 9_999_999_999
"""The widest amount field of any channel (Pay-easy and direct debit: ten digits)."""
PAID_AT_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
PAID_AHEAD_MAX = timedelta(days=2)
"""How far in the future a payment time may lie: clocks differ, and a date may be in JST."""
REFERENCE_CHARACTERS_MAX = 128


class ChannelKind(StrEnum):
    """A way money is collected."""

    KONBINI_SLIP = "konbini_slip"
    KONBINI_DIGITAL = "konbini_digital"
    PAYEASY = "payeasy"
    DIRECT_DEBIT = "direct_debit"
    CARD = "card"
    BANK_TRANSFER = "bank_transfer"


class NoticeKind(StrEnum):
    """速報, 速報取消, 確報, 訂正, 確報取消."""

    PRELIMINARY = "preliminary"
    PRELIMINARY_CANCELLED = "preliminary_cancelled"
    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The shop where the money was paid, in the channel's own codes."""

    chain: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One statement of a channel; `reference` is in the account's canonical form.

    `paid_at` is when the payer paid, `channel_at` when the channel made the notice, where known.
    """

    notice_id: NoticeId
    payment_id: PaymentId
    account_id: AccountId
    channel: ChannelKind
    kind: NoticeKind
    reference: str
    amount_yen: int
    paid_at: datetime
    channel_at: datetime | None = None
    store: Store | None = None


def check_notice(notice: Notice, *, now: datetime) -> None:
    """Raise `Malformed` where a notice says what cannot be true of any payment."""
    least_yen = 0 if notice.kind is NoticeKind.CORRECTED else 1
    if not least_yen <= notice.amount_yen <= AMOUNT_YEN_MAX:
        raise Malformed(f"amount_yen must be {least_yen} to {AMOUNT_YEN_MAX}")
    if not PAID_AT_EARLIEST <= notice.paid_at <= now + PAID_AHEAD_MAX:
        raise Malformed("paid_at is before the year 2000 or more than two days ahead")
    if not 1 <= len(notice.reference) <= REFERENCE_CHARACTERS_MAX:
        raise Malformed(f"reference must have 1 to {REFERENCE_CHARACTERS_MAX} characters")
