"""How a delivery ends without another attempt: by an event of its own, which says all about it."""

from __future__ import annotations

from datetime import datetime

from streams.domain.delivery import Delivery, DeliveryStatus
from streams.messages import DeliveryDropped, DropReason

ENDS_AS = {
    DropReason.ENDPOINT_REMOVED: DeliveryStatus.FAILED,
    DropReason.SUPERSEDED: DeliveryStatus.SUPERSEDED,
    DropReason.TOLD: DeliveryStatus.DELIVERED,
}


def drop(delivery: Delivery, at: datetime, reason: DropReason) -> DeliveryDropped:
    """The event; one that was delivered before and was to be told again stays delivered."""
    return DeliveryDropped(
        merchant_id=delivery.merchant_id,
        delivery_id=delivery.delivery_id,
        round=delivery.round,
        at=at,
        reason=DropReason.TOLD if delivery.tellings else reason,
        endpoint_id=delivery.endpoint_id,
        created_at=delivery.created_at,
        sequence=delivery.sequence,
    )
