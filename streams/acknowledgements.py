"""What history knows of who acknowledged what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from streams.domain.acknowledging import Acknowledgement
from streams.domain.ids import EndpointId, MerchantId, NotificationId

if TYPE_CHECKING:
    from streams.ports import DeliveryRow


class Acknowledgements(Protocol):
    """The part of history about acknowledgements; every method may raise `Unavailable`."""

    async def acknowledgement(
        self, event_id: NotificationId, endpoint_id: EndpointId | None
    ) -> Acknowledgement | None:
        """The first one that covers an endpoint; without one, the first that covers them all."""
        ...

    async def unacknowledged(
        self,
        merchant_id: MerchantId,
        endpoint_id: EndpointId,
        *,
        before: datetime,
        after: str | None,
        limit: int,
    ) -> tuple[Sequence[DeliveryRow], str | None]:
        """Deliveries that were first answered 2xx before a time and nobody has acknowledged.

        Only where the endpoint had to acknowledge; the earliest made first.
        """
        ...
