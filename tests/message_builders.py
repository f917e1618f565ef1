"""Builders of what travels on history and quarantine, from the values of `tests.builders`."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime

import orjson

from streams.domain.delivery import Attempt, Delivery, DeliveryStatus
from streams.domain.ids import EndpointId, MerchantId
from streams.domain.invoice import InvoiceStatus, InvoiceTerms
from streams.domain.notice import Notice
from streams.domain.notification import Notification, NotificationType
from streams.domain.settlement import Outcome
from streams.happenings import (
    AcknowledgementTaken,
    DeliveriesStarted,
    DeliveryAttempted,
    EndpointTold,
    InvoiceChanged,
    NoticeAccepted,
    NoticeHeld,
    Quarantined,
)
from tests.builders import (
    ENDPOINT,
    MERCHANT,
    NOW,
    a_delivery,
    a_notice,
    a_notification,
    a_settlement,
    an_invoice_terms,
)


def a_notice_accepted(
    *,
    notice: Notice | None = None,
    merchant: MerchantId = MERCHANT,
    raw: bytes = b'{"notice_id": "one"}',
    received_at: datetime = NOW,
    about_money: bool = True,
) -> NoticeAccepted:
    """The raw notice with the hash of its bytes."""
    notice = notice or a_notice()
    return NoticeAccepted(
        merchant_id=merchant,
        account_id=notice.account_id,
        notice_id=notice.notice_id,
        format="generic",
        received_at=received_at,
        raw_sha256=hashlib.sha256(raw).hexdigest(),
        raw_base64=base64.b64encode(raw).decode(),
        content_type="application/json",
        about_money=about_money,
    )


def a_notice_held(
    *,
    notice: Notice | None = None,
    merchant: MerchantId = MERCHANT,
    received_at: datetime = NOW,
    decided_at: datetime | None = None,
) -> NoticeHeld:
    """A notice whose reference is unknown, told as `payment.unmatched`."""
    notice = notice or a_notice()
    decided_at = decided_at or received_at
    told = a_notification(
        cause=notice.notice_id,
        merchant=merchant,
        kind=NotificationType.PAYMENT_UNMATCHED,
        at=decided_at,
    )
    return NoticeHeld(
        merchant_id=merchant,
        notice=notice,
        received_at=received_at,
        settlement=a_settlement(
            notice=notice,
            outcome=Outcome.UNMATCHED,
            reason="the reference is unknown",
            decided_at=decided_at,
        ),
        notifications=(told,),
    )


def an_invoice_changed(
    *,
    terms: InvoiceTerms | None = None,
    version: int = 1,
    status: InvoiceStatus = InvoiceStatus.PAID,
    at: datetime = NOW,
    notice: Notice | None = None,
    notifications: tuple[Notification, ...] = (),
    request_id: str | None = None,
    refused: str | None = None,
) -> InvoiceChanged:
    """The invoice after entry `version` of its journal; with a notice, also its settlement."""
    terms = terms or an_invoice_terms()
    settlement = (
        a_settlement(notice=notice, invoice=terms.invoice_id, decided_at=at) if notice else None
    )
    return InvoiceChanged(
        merchant_id=terms.merchant_id,
        invoice_id=terms.invoice_id,
        version=version,
        at=at,
        invoice_number=terms.invoice_number,
        status=status,
        shown=orjson.dumps(
            {
                "id": terms.invoice_id,
                "version": version,
                "status": status,
                "created_at": terms.created_at,
            }
        ).decode(),
        notice=notice,
        settlement=settlement,
        notifications=notifications,
        request_id=request_id,
        refused=refused,
    )


def a_quarantined(
    *,
    quarantine_id: str = "qrn_one",
    notice: Notice | None = None,
    merchant: MerchantId | None = MERCHANT,
    at: datetime = NOW,
    code: str = "over_limit",
    reason: str = "at most 200 notices wait for one reference",
    raw: bytes = b"raw",
    topic: str = "references",
    key: str = "",
) -> Quarantined:
    """Something that could not be used; with a notice, it is that notice."""
    return Quarantined(
        quarantine_id=quarantine_id,
        at=at,
        code=code,
        reason=reason,
        raw_base64=base64.b64encode(raw).decode(),
        topic=topic,
        key=key,
        merchant_id=merchant,
        account_id=notice.account_id if notice else None,
        notice_id=notice.notice_id if notice else None,
    )


def a_deliveries_started(*, deliveries: tuple[Delivery, ...] = ()) -> DeliveriesStarted:
    deliveries = deliveries or (a_delivery(),)
    return DeliveriesStarted(merchant_id=deliveries[0].merchant_id, deliveries=deliveries)


def an_endpoint_told(*, notifications: tuple[Notification, ...] = ()) -> EndpointTold:
    told = notifications or (a_notification(kind=NotificationType.ENDPOINT_FAILING),)
    return EndpointTold(merchant_id=told[0].merchant_id, notifications=told)


def a_delivery_attempted(
    *,
    delivery: Delivery | None = None,
    status: DeliveryStatus = DeliveryStatus.DELIVERED,
    attempt: Attempt | None = None,
    number_of_round: int = 0,
    at: datetime = NOW,
    next_attempt_at: datetime | None = None,
    reason: str | None = None,
    says_all: bool = False,
    is_unacknowledged: bool = False,
) -> DeliveryAttempted:
    """Where a delivery stands; without an attempt something else decided, as `reason` says.

    One that `says_all` tells the endpoint, the time and the number of its delivery, as all do but
    those of older versions.
    """
    delivery = delivery or a_delivery()
    return DeliveryAttempted(
        merchant_id=delivery.merchant_id,
        delivery_id=delivery.delivery_id,
        round=number_of_round,
        status=status,
        at=at,
        attempt=attempt,
        next_attempt_at=next_attempt_at,
        reason=reason,
        endpoint_id=delivery.endpoint_id if says_all else None,
        created_at=delivery.created_at if says_all else None,
        sequence=delivery.sequence if says_all else 0,
        event_id=delivery.notification_id if says_all else None,
        is_unacknowledged=is_unacknowledged,
    )


def an_acknowledgement_taken(
    *,
    delivery: Delivery | None = None,
    endpoint: EndpointId | None = None,
    asking: tuple[EndpointId, ...] = (ENDPOINT,),
    at: datetime = NOW,
    released_at: datetime | None = None,
) -> AcknowledgementTaken:
    """A call about the event of a delivery, whose time is known to the millisecond."""
    delivery = delivery or a_delivery()
    made_at = delivery.created_at
    return AcknowledgementTaken(
        merchant_id=delivery.merchant_id,
        event_id=delivery.notification_id,
        told_at=made_at.replace(microsecond=made_at.microsecond // 1_000 * 1_000),
        at=at,
        endpoint_id=endpoint,
        released_at=released_at,
        asking_ids=asking,
    )
