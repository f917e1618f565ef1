"""Replays: a range of an endpoint's deliveries that is sent again, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from streams.domain.delivery import DeliveryStatus, wants


class ReplayStatus(StrEnum):
    """Where a replay stands; its deliveries go their own way once they are resent."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class EndReason(StrEnum):
    """Why a replay ended before its end."""

    ASKED = "asked"  # the merchant cancelled it
    ENDPOINT_REMOVED = "endpoint_removed"


UNDER_WAY = frozenset({DeliveryStatus.PENDING, DeliveryStatus.RETRYING})
"""Nobody has to send again what is on its way; a replay leaves it alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which deliveries of an endpoint are sent again: numbers `first` to `last`, both included.

    `statuses` are how they stand when the replay comes to them; `types` are patterns, and none
    means all types.
    """

    first: int
    last: int
    statuses: tuple[DeliveryStatus, ...]
    types: tuple[str, ...] = ()

    def takes(self, status: DeliveryStatus, notification_type: str) -> bool:
        """Whether a delivery of the range is sent again."""
        if status in UNDER_WAY or status not in self.statuses:
            return False
        return wants(self.types, notification_type)
