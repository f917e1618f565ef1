"""What history knows of the numbers that an endpoint's deliveries carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceRow:
    """One number of an endpoint, and how its delivery stands."""

    sequence: int
    delivery_id: DeliveryId
    event_id: NotificationId
    event_type: str
    created_at: datetime
    status: DeliveryStatus


class Sequences(Protocol):
    """The part of history that answers by number; every method may raise `Unavailable`."""

    async def sequence_range(
        self,
        merchant_id: MerchantId,
        endpoint_id: EndpointId,
        *,
        first: int,
        last: int,
        limit: int,
    ) -> Sequence[SequenceRow]:
        """The known numbers from `first` to `last`, both included, ascending; at most `limit`."""
        ...

    async def last_sequence(self, merchant_id: MerchantId, endpoint_id: EndpointId) -> int:
        """The greatest number that anything was heard of; 0 when there is none."""
        ...
