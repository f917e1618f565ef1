"""The notifying step at a desk of its own: dicts for its tables, lanes that only remember."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from agents.notifying import notifying
from agents.step import Result
from streams.domain.delivery import (
    Attempt,
    Delivery,
    Endpoint,
)
from streams.domain.ids import EndpointId, NotificationId
from streams.domain.sequence import numbered_body
from streams.happenings import DeliveryAttempted
from streams.messages import (
    AttemptMade,
    EndpointSet,
    Notified,
)
from tests.builders import (
    MERCHANT,
    NOW,
    a_delivery,
    a_notification,
    an_attempt,
)
from tests.fakes import FakeLanes
from tests.pending_rows import PendingDicts
from tests.step_builders import an_envelope, said


def numbered(
    delivery: Delivery, sequence: int, previous_id: NotificationId | None = None
) -> Delivery:
    """The delivery as it is sent when it is the endpoint's first, second, ..."""
    body = numbered_body(delivery.body, sequence, previous_id)
    return replace(delivery, sequence=sequence, previous_id=previous_id, body=body)


KEY = MERCHANT.encode()
OTHER = EndpointId("ep_other")
SECOND = timedelta(seconds=1)
TOLD = Notified(merchant_id=MERCHANT, notifications=(a_notification(),))
DELIVERY = numbered(a_delivery(), 1)


class Desk:
    """The step with dicts for its tables; the same message again is a replay of its record."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints: dict[bytes, tuple[Endpoint, ...]] = {}
        self.table = PendingDicts()
        self.lanes = FakeLanes()
        self._offsets: dict[bytes, int] = {}
        self._step = notifying(endpoints=self.endpoints, pending=self.table, lanes=self.lanes)
        for endpoint in endpoints:
            self.read(EndpointSet(endpoint=endpoint))

    def read(self, message: object, *, traceparent: str = "", now: datetime = NOW) -> Result:
        envelope = an_envelope(
            message, key=KEY, topic="notifications", traceparent=traceparent, now=now
        )
        offset = self._offsets.setdefault(envelope.value, len(self._offsets))
        return self._step(replace(envelope, place=replace(envelope.place, offset=offset)))

    @property
    def pending(self) -> list[Delivery]:
        """What is pending; the lanes must know the same."""
        rows = list(self.table.rows.values())
        assert rows == list(self.lanes.offered.values())
        return rows


def made(
    attempt: Attempt,
    *,
    delivery: Delivery = DELIVERY,
    fraction: float = 0.5,
    ack_seconds: int = 0,
) -> AttemptMade:
    """What a lane says after an attempt."""
    return AttemptMade(
        merchant_id=MERCHANT,
        delivery_id=delivery.delivery_id,
        attempt=attempt,
        fraction=fraction,
        first_attempt_at=NOW,
        round=delivery.round,
        endpoint_id=delivery.endpoint_id,
        created_at=delivery.created_at,
        sequence=delivery.sequence,
        event_id=delivery.notification_id,
        tellings=delivery.tellings,
        ack_seconds=ack_seconds,
    )


OK, BAD, GONE = an_attempt(), an_attempt(status_code=500), an_attempt(status_code=410)


def ended(result: Result) -> DeliveryAttempted:
    (message,) = said(result.records, DeliveryAttempted)
    return message
