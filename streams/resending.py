"""A delivery as it is made again: another round, and byte for byte the same body."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from streams.domain.delivery import Delivery, DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId
from streams.domain.sequence import numbered_body


class MadeBefore(Protocol):
    """What history says of a delivery that was made once."""

    @property
    def delivery_id(self) -> DeliveryId: ...
    @property
    def event_id(self) -> NotificationId: ...
    @property
    def event_type(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def sequence(self) -> int: ...


class Standing(Protocol):
    """How it stands, as history says."""

    @property
    def round(self) -> int: ...
    @property
    def status(self) -> DeliveryStatus: ...
    @property
    def next_attempt_at(self) -> datetime | None: ...


def made_again(
    made: MadeBefore,
    standing: Standing,
    *,
    merchant_id: MerchantId,
    endpoint_id: EndpointId,
    event_body: str,
    previous_id: NotificationId | None,
    acknowledged: bool,
    now: datetime,
) -> Delivery:
    """The next round of a delivery, due at once; one without a number keeps the event's body."""
    sequence = made.sequence
    # One that is to be told again waits as the round after this one already.
    is_delivered = standing.status is DeliveryStatus.DELIVERED
    is_told_again = is_delivered and standing.next_attempt_at is not None
    return Delivery(
        delivery_id=made.delivery_id,
        endpoint_id=endpoint_id,
        merchant_id=merchant_id,
        notification_id=made.event_id,
        notification_type=made.event_type,
        body=numbered_body(event_body, sequence, previous_id) if sequence else event_body,
        created_at=made.created_at,
        due_at=now,
        round=standing.round + is_told_again + 1,
        sequence=sequence,
        previous_id=previous_id,
        acknowledged=acknowledged,
    )
