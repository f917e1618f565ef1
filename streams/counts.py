"""The figures of history that the laws are added up from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Distinct notices by state and deliveries by status: all, or those changed `since` a time.

    `in_flight` notices have no outcome in history yet; `notified` deliveries were started.
    """

    accepted: int
    matched: int
    unmatched: int
    quarantined: int
    in_flight: int
    repeated: int
    noted: int
    notified: int
    delivered: int
    pending: int
    retrying: int
    failed: int
    superseded: int
    events: int
