"""Merchants that another worker has for a while: what its step says is not for our lanes."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from agents.lanes import Lanes
from streams.domain.delivery import Delivery, Endpoint
from streams.domain.ids import DeliveryId, EndpointId, MerchantId


class OurLanes:
    """The lanes as the step of whichever worker has a merchant sees them."""

    def __init__(self, lanes: Lanes, away: AbstractSet[MerchantId]) -> None:
        self._lanes, self._away = lanes, away

    def offer(self, delivery: Delivery) -> None:
        if delivery.merchant_id not in self._away:
            self._lanes.offer(delivery)

    def follow(self, delivery: Delivery, ended: DeliveryId) -> None:
        if delivery.merchant_id not in self._away:
            self._lanes.follow(delivery, ended)

    def withdraw(self, delivery_id: DeliveryId) -> None:
        self._lanes.withdraw(delivery_id)

    def set_endpoint(self, endpoint: Endpoint) -> None:
        if endpoint.merchant_id not in self._away:
            self._lanes.set_endpoint(endpoint)

    def remove_endpoint(self, endpoint_id: EndpointId) -> None:
        self._lanes.remove_endpoint(endpoint_id)
