"""A payment: one act of paying, as the set of its notices tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from streams.domain.ids import AccountId, PaymentId
from streams.domain.notice import ChannelKind, Notice, NoticeKind, Store


class PaymentState(StrEnum):
    """Where a payment stands; only the first two are money that counts."""

    PRELIMINARY = "preliminary"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    REVERSED = "reversed"


LIVE = frozenset({PaymentState.PRELIMINARY, PaymentState.CONFIRMED})

STATE_BY_STRONGEST_NOTICE = (
    # The first kind that is present decides, whatever the order of arrival: a confirmation
    # outranks a cancelled preliminary, because confirmed money has really come.
    (NoticeKind.REVERSED, PaymentState.REVERSED),
    (NoticeKind.CORRECTED, PaymentState.CONFIRMED),
    (NoticeKind.CONFIRMED, PaymentState.CONFIRMED),
    (NoticeKind.PRELIMINARY_CANCELLED, PaymentState.CANCELLED),
    (NoticeKind.PRELIMINARY, PaymentState.PRELIMINARY),
)
AMOUNT_AUTHORITY = (
    NoticeKind.CORRECTED,
    NoticeKind.CONFIRMED,
    NoticeKind.PRELIMINARY,
    NoticeKind.PRELIMINARY_CANCELLED,
    NoticeKind.REVERSED,
)
"""Whose amount holds: a correction's, else the confirmation's, else the preliminary's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment as it stands now."""

    payment_id: PaymentId
    channel: ChannelKind
    state: PaymentState
    amount_yen: int
    paid_at: datetime
    reference: str
    account_id: AccountId
    store: Store | None = None

    @property
    def live_yen(self) -> int:
        """What this payment is worth now: nothing once it was cancelled or reversed."""
        return self.amount_yen if self.state in LIVE else 0


def payment_of(notices: Sequence[Notice]) -> Payment:
    """Fold the notices of one payment, at least one; their order and repeats do not matter."""
    present = {notice.kind for notice in notices}
    state = next(state for kind, state in STATE_BY_STRONGEST_NOTICE if kind in present)
    if len(notices) == 1:
        spoken = notices[0]
    else:
        authority = next(kind for kind in AMOUNT_AUTHORITY if kind in present)
        spoken = max((n for n in notices if n.kind is authority), key=_newest)
    return Payment(
        payment_id=spoken.payment_id,
        channel=spoken.channel,
        state=state,
        amount_yen=spoken.amount_yen,
        paid_at=min(notice.paid_at for notice in notices),
        reference=spoken.reference,
        account_id=spoken.account_id,
        store=spoken.store,
    )


def _newest(notice: Notice) -> tuple[datetime, str]:
    # The id breaks ties, so that the choice never depends on the order of arrival.
    return (notice.channel_at or datetime.min.replace(tzinfo=UTC), notice.notice_id)
