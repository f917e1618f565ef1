"""Replays as they travel on the topic of history, and what history answers about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import (
    DeliveryId,
    EndpointId,
    InvoiceId,
    MerchantId,
    NotificationId,
    ReplayId,
)
from streams.domain.replay import EndReason, ReplayStatus, Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequested:
    """A merchant wants deliveries of an endpoint sent again."""

    merchant_id: MerchantId
    replay_id: ReplayId
    endpoint_id: EndpointId
    selection: Selection
    at: datetime
    type: Literal["replay"] = "replay"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTaken:
    """A process works on the replay from here on.

    Everything said of the replay before is stored first. So once history names the place of this
    very record, the process knows that it goes on where the replay was.
    """

    merchant_id: MerchantId
    replay_id: ReplayId
    type: Literal["replay_taken"] = "replay_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayAdvanced:
    """All numbers to `position` were looked at: so many were wanted, and so many resent, in all."""

    merchant_id: MerchantId
    replay_id: ReplayId
    position: int
    found: int
    resent: int
    type: Literal["replay_advanced"] = "replay_advanced"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayEnded:
    """A replay has come to its end, or was cancelled for a reason."""

    merchant_id: MerchantId
    replay_id: ReplayId
    status: Literal[ReplayStatus.DONE, ReplayStatus.CANCELLED]
    at: datetime
    reason: EndReason | None = None
    type: Literal["replay_ended"] = "replay_ended"


ReplayMessage = ReplayRequested | ReplayTaken | ReplayAdvanced | ReplayEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRow:
    """A replay as history knows it; `taken` is the place where it was taken last, or empty."""

    cursor: str
    replay_id: ReplayId
    merchant_id: MerchantId
    endpoint_id: EndpointId
    selection: Selection
    created_at: datetime
    status: ReplayStatus
    position: int
    found: int
    resent: int
    taken: str
    finished_at: datetime | None
    reason: EndReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBody:
    """What an event told, before an endpoint's number is added, and of which invoice."""

    body: str
    invoice_id: InvoiceId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStanding:
    """How a delivery stands in its latest round."""

    round: int
    status: DeliveryStatus
    next_attempt_at: datetime | None


class Replays(Protocol):
    """The part of history that replays need; every method may raise `Unavailable`."""

    async def replay(self, merchant_id: MerchantId, replay_id: ReplayId) -> ReplayRow | None: ...

    async def replays(
        self, merchant_id: MerchantId, endpoint_id: EndpointId, *, after: str | None, limit: int
    ) -> tuple[Sequence[ReplayRow], str | None]:
        """The replays of an endpoint, newest first, with the cursor of the next page."""
        ...

    async def running_replays(self) -> Sequence[tuple[MerchantId, ReplayId]]:
        """Every replay that has not ended, of all merchants."""
        ...

    async def delivery_standings(
        self, delivery_ids: Sequence[DeliveryId]
    ) -> Mapping[DeliveryId, DeliveryStanding]:
        """How each delivery stands that is known."""
        ...

    async def event_bodies(
        self, merchant_id: MerchantId, event_ids: Sequence[NotificationId]
    ) -> Mapping[NotificationId, EventBody]:
        """The merchant's events among these that are still kept."""
        ...
