"""What a merchant is told, and which change of an invoice is told by which name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from streams.domain.ids import InvoiceId, MerchantId, NotificationId
from streams.domain.invoice import SETTLED, InvoiceState, InvoiceStatus
from streams.domain.notice import NoticeKind


class NotificationType(StrEnum):
    """The names that a merchant subscribes to."""

    PAYMENT_PRELIMINARY = "payment.preliminary"
    PAYMENT_PRELIMINARY_CANCELLED = "payment.preliminary_cancelled"
    PAYMENT_CONFIRMED = "payment.confirmed"
    PAYMENT_CORRECTED = "payment.corrected"
    PAYMENT_REVERSED = "payment.reversed"
    PAYMENT_UNMATCHED = "payment.unmatched"
    INVOICE_PAID = "invoice.paid"
    INVOICE_PART_PAID = "invoice.part_paid"
    INVOICE_OVERPAID = "invoice.overpaid"
    INVOICE_REOPENED = "invoice.reopened"
    INVOICE_EXPIRED = "invoice.expired"
    INVOICE_CANCELLED = "invoice.cancelled"
    ENDPOINT_FAILING = "endpoint.failing"
    ENDPOINT_DISABLED = "endpoint.disabled"


TOLD_OF_NOTICE = {
    NoticeKind.PRELIMINARY: NotificationType.PAYMENT_PRELIMINARY,
    NoticeKind.PRELIMINARY_CANCELLED: NotificationType.PAYMENT_PRELIMINARY_CANCELLED,
    NoticeKind.CONFIRMED: NotificationType.PAYMENT_CONFIRMED,
    NoticeKind.CORRECTED: NotificationType.PAYMENT_CORRECTED,
    NoticeKind.REVERSED: NotificationType.PAYMENT_REVERSED,
}

TOLD_OF_UNSETTLED_STATUS = {
    InvoiceStatus.PART_PAID: NotificationType.INVOICE_PART_PAID,
    InvoiceStatus.OPEN: NotificationType.INVOICE_REOPENED,
    InvoiceStatus.EXPIRED: NotificationType.INVOICE_EXPIRED,
    InvoiceStatus.CANCELLED: NotificationType.INVOICE_CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One thing told to a merchant; `body` is the webhook's body, built once."""

    notification_id: NotificationId
    merchant_id: MerchantId
    type: NotificationType
    at: datetime
    body: str
    invoice_id: InvoiceId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A notification that was made before, and when: enough to find its deliveries."""

    notification_id: NotificationId
    at: datetime


def told_of_change(before: InvoiceState, after: InvoiceState) -> tuple[NotificationType, ...]:
    """Name the change of an invoice, for shops that only release orders.

    Between two `invoice.paid` there is always an `invoice.reopened`, so that a shop which
    releases on the one and stops on the other never ships twice: going from overpaid back to
    exactly paid is told by the payment's own notification only.
    """
    was_settled, is_settled = before.status in SETTLED, after.status in SETTLED
    if is_settled:
        paid = () if was_settled else (NotificationType.INVOICE_PAID,)
        is_more_over = after.excess_yen > before.excess_yen
        return (*paid, NotificationType.INVOICE_OVERPAID) if is_more_over else paid
    if was_settled:
        lapsed = after.status is InvoiceStatus.EXPIRED
        expired = (NotificationType.INVOICE_EXPIRED,) if lapsed else ()
        return (NotificationType.INVOICE_REOPENED, *expired)
    unchanged = before.status is after.status and (
        after.status is not InvoiceStatus.PART_PAID or before.paid_yen == after.paid_yen
    )
    return () if unchanged else (TOLD_OF_UNSETTLED_STATUS[after.status],)
