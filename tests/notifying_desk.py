"""The notifying step at a desk of its own: dicts for its tables, lanes that only remember."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agents.notifying import notifying
from agents.step import Result
from streams.domain.delivery import (
    Attempt,
    Delivery,
    Endpoint,
)
from streams.domain.ids import DeliveryId, EndpointId
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
from tests.step_builders import an_envelope, said

KEY = MERCHANT.encode()
OTHER = EndpointId("ep_other")
SECOND = timedelta(seconds=1)
TOLD = Notified(merchant_id=MERCHANT, notifications=(a_notification(),))
DELIVERY = a_delivery()


@dataclass
class FakeLanes:
    """What was offered and not withdrawn, and the endpoints that are known."""

    offered: dict[DeliveryId, Delivery] = field(default_factory=dict)
    endpoints: dict[EndpointId, Endpoint] = field(default_factory=dict)

    def offer(self, delivery: Delivery) -> None:
        self.offered[delivery.delivery_id] = delivery

    def withdraw(self, delivery_id: DeliveryId) -> None:
        self.offered.pop(delivery_id, None)

    def set_endpoint(self, endpoint: Endpoint) -> None:
        self.endpoints[endpoint.endpoint_id] = endpoint

    def remove_endpoint(self, endpoint_id: EndpointId) -> None:
        self.endpoints.pop(endpoint_id, None)


class Desk:
    """The step with dicts for its tables."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints: dict[bytes, tuple[Endpoint, ...]] = {}
        self.deliveries: dict[bytes, Delivery] = {}
        self.lanes = FakeLanes()
        self._step = notifying(
            endpoints=self.endpoints, deliveries=self.deliveries, lanes=self.lanes
        )
        for endpoint in endpoints:
            self.read(EndpointSet(endpoint=endpoint))

    def read(self, message: object, *, traceparent: str = "", now: datetime = NOW) -> Result:
        envelope = an_envelope(
            message, key=KEY, topic="notifications", traceparent=traceparent, now=now
        )
        return self._step(envelope)

    @property
    def pending(self) -> list[Delivery]:
        """What is pending; the lanes must know the same."""
        rows = list(self.deliveries.values())
        assert rows == list(self.lanes.offered.values())
        return rows


def made(attempt: Attempt, *, delivery: Delivery = DELIVERY, fraction: float = 0.5) -> AttemptMade:
    return AttemptMade(
        merchant_id=MERCHANT,
        delivery_id=delivery.delivery_id,
        attempt=attempt,
        fraction=fraction,
        first_attempt_at=NOW,
        round=delivery.round,
        endpoint_id=delivery.endpoint_id,
        created_at=delivery.created_at,
    )


OK, BAD, GONE = an_attempt(), an_attempt(status_code=500), an_attempt(status_code=410)


def ended(result: Result) -> DeliveryAttempted:
    (message,) = said(result.records, DeliveryAttempted)
    return message
