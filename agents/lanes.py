"""What the notifying step says to whoever makes the deliveries."""

from __future__ import annotations

from typing import Protocol

from streams.domain.delivery import Delivery, Endpoint
from streams.domain.ids import DeliveryId, EndpointId


class Lanes(Protocol):
    """Where deliveries are made, outside the agents; every call may come twice."""

    def offer(self, delivery: Delivery) -> None: ...
    def follow(self, delivery: Delivery, ended: DeliveryId) -> None: ...
    def withdraw(self, delivery_id: DeliveryId) -> None: ...
    def set_endpoint(self, endpoint: Endpoint) -> None: ...
    def remove_endpoint(self, endpoint_id: EndpointId) -> None: ...
