"""Builders of domain values with sensible defaults, so that a test names only what matters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import orjson

from streams.domain.delivery import (
    Attempt,
    Delivery,
    Endpoint,
    EndpointStatus,
)
from streams.domain.ids import (
    AccountId,
    DeliveryId,
    EndpointId,
    InvoiceId,
    MerchantId,
    NoticeId,
    NotificationId,
    PaymentId,
    delivery_id,
    invoice_id,
    notice_id,
    notification_id,
    payment_id,
)
from streams.domain.invoice import (
    GRACE_SECONDS_DEFAULT,
    Assignment,
    Customer,
    Entry,
    Invoice,
    InvoiceTerms,
    NoticeApplied,
    Reference,
    ReleasePolicy,
)
from streams.domain.notice import ChannelKind, Notice, NoticeKind, Store
from streams.domain.notification import Notification, NotificationType
from streams.domain.settlement import Outcome, Settlement

NOW = datetime(2026, 11, 24, 1, 15, tzinfo=UTC)
"""The present of every test that does not set its own."""
MERCHANT = MerchantId("mer_test")
ACCOUNT = AccountId("ca_test")
ENDPOINT = EndpointId("ep_test")


def an_invoice_terms(
    *,
    merchant: MerchantId = MERCHANT,
    invoice_number: str = "ORD-1001",
    amount_yen: int = 12_800,
    created_at: datetime = NOW,
    due_at: datetime | None = None,
    grace_seconds: int = GRACE_SECONDS_DEFAULT,
    release: ReleasePolicy | None = None,
    references: tuple[Reference, ...] | None = None,
    customer: Customer | None = None,
    metadata: Mapping[str, str] | None = None,
) -> InvoiceTerms:
    """Terms due in a week; unless given, the one reference is the invoice number."""
    default = (a_reference(value=invoice_number),)
    return InvoiceTerms(
        invoice_id=invoice_id(merchant, invoice_number),
        merchant_id=merchant,
        invoice_number=invoice_number,
        amount_yen=amount_yen,
        due_at=created_at + timedelta(days=7) if due_at is None else due_at,
        created_at=created_at,
        grace_seconds=grace_seconds,
        release=release or ReleasePolicy(),
        references=default if references is None else references,
        customer=customer,
        metadata=dict(metadata or {}),
    )


def an_invoice(*, terms: InvoiceTerms | None = None, journal: tuple[Entry, ...] = ()) -> Invoice:
    return Invoice(terms=terms or an_invoice_terms(), journal=journal)


def a_reference(
    *,
    account: AccountId = ACCOUNT,
    value: str = "ORD-1001",
    channel: ChannelKind | None = None,
    chain: str | None = None,
) -> Reference:
    return Reference(account_id=account, value=value, channel=channel, chain=chain)


def a_notice(
    *,
    name: str = "one",
    payment: str = "",
    account: AccountId = ACCOUNT,
    channel: ChannelKind = ChannelKind.KONBINI_SLIP,
    kind: NoticeKind = NoticeKind.PRELIMINARY,
    reference: str = "ORD-1001",
    amount_yen: int = 12_800,
    paid_at: datetime = NOW,
    channel_at: datetime | None = None,
    store: Store | None = None,
) -> Notice:
    """A notice named `name` in its account, about the payment of that name or of `payment`."""
    return Notice(
        notice_id=a_notice_id(name, account=account),
        payment_id=a_payment_id(payment or name, account=account),
        account_id=account,
        channel=channel,
        kind=kind,
        reference=reference,
        amount_yen=amount_yen,
        paid_at=paid_at,
        channel_at=channel_at,
        store=store,
    )


def a_notice_id(name: str = "one", *, account: AccountId = ACCOUNT) -> NoticeId:
    return notice_id(account, name)


def a_payment_id(name: str = "one", *, account: AccountId = ACCOUNT) -> PaymentId:
    return payment_id(account, name)


def a_notice_applied(
    *,
    notice: Notice | None = None,
    at: datetime = NOW,
    received_at: datetime | None = None,
    source: str = "invoices/0/0",
    assignment: Assignment | None = None,
) -> NoticeApplied:
    return NoticeApplied(
        notice=notice or a_notice(),
        received_at=received_at or at,
        at=at,
        source=source,
        assignment=assignment,
    )


def a_settlement(
    *,
    notice: Notice | None = None,
    invoice: InvoiceId | None = None,
    outcome: Outcome = Outcome.MATCHED,
    reason: str = "reference and amount agree",
    rule: str = "reference",
    decided_at: datetime = NOW,
) -> Settlement:
    notice = notice or a_notice()
    return Settlement(
        notice_id=notice.notice_id,
        payment_id=notice.payment_id,
        invoice_id=invoice,
        outcome=outcome,
        reason=reason,
        rule=rule,
        decided_at=decided_at,
    )


def a_notification(
    *,
    cause: str = "one",
    merchant: MerchantId = MERCHANT,
    kind: NotificationType = NotificationType.PAYMENT_PRELIMINARY,
    at: datetime = NOW,
    body: str = "",
    invoice: InvoiceId | None = None,
) -> Notification:
    """What was told because of `cause`; the body names both when none is given."""
    return Notification(
        notification_id=notification_id(cause, kind),
        merchant_id=merchant,
        type=kind,
        at=at,
        body=body or orjson.dumps({"type": kind, "cause": cause}).decode(),
        invoice_id=invoice,
    )


def an_endpoint(
    *,
    endpoint: EndpointId = ENDPOINT,
    merchant: MerchantId = MERCHANT,
    url: str = "https://shop.example/hooks",
    types: tuple[str, ...] = (),
    sealed_secret: str = "sealed",
    status: EndpointStatus = EndpointStatus.ENABLED,
    created_at: datetime = NOW,
) -> Endpoint:
    return Endpoint(
        endpoint_id=endpoint,
        merchant_id=merchant,
        url=url,
        types=types,
        sealed_secret=sealed_secret,
        status=status,
        created_at=created_at,
        updated_at=created_at,
    )


def a_delivery(
    *,
    notification: Notification | None = None,
    endpoint: EndpointId = ENDPOINT,
    created_at: datetime = NOW,
    due_at: datetime | None = None,
    attempts: int = 0,
    number_of_round: int = 0,
    sequence: int = 0,
) -> Delivery:
    """A notification on its way to an endpoint, due at once unless said otherwise."""
    notification = notification or a_notification()
    return Delivery(
        delivery_id=a_delivery_id(notification.notification_id, endpoint=endpoint),
        endpoint_id=endpoint,
        merchant_id=notification.merchant_id,
        notification_id=notification.notification_id,
        notification_type=notification.type,
        body=notification.body,
        created_at=created_at,
        due_at=due_at or created_at,
        attempts=attempts,
        round=number_of_round,
        sequence=sequence,
    )


def a_delivery_id(notification: NotificationId, *, endpoint: EndpointId = ENDPOINT) -> DeliveryId:
    return delivery_id(notification, endpoint)


def an_attempt(
    *,
    number: int = 1,
    at: datetime = NOW,
    duration_ms: int = 12,
    status_code: int | None = 200,
    error: str | None = None,
    answer: str = "",
    released_at: datetime | None = None,
) -> Attempt:
    return Attempt(
        number=number,
        at=at,
        duration_ms=duration_ms,
        status_code=status_code,
        error=error,
        answer=answer,
        released_at=released_at,
    )
