"""The figures of history that the laws are added up from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from streams.domain.ids import EndpointId

CLOCKS_APART_US = 60_000_000
"""An event is recorded after its notice was settled, by a clock that may be so much behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Distinct notices by state and deliveries by status: all, or those changed `since` a time.

    `in_flight` notices have no outcome in history yet; `notified` deliveries were started.
    `told` are the events in the feed that tell of a matched notice, of each one, whatever else it
    changed; `untold` are the matched notices that are older than all that the feed has.
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
    told: int
    untold: int


class Counted(Protocol):
    """Part of `streams.ports.History`."""

    async def counts(self, since: datetime | None = None) -> Counts:
        """All figures, or those of what changed at this time or later; raises `Unavailable`."""
        ...

    async def stalled(
        self, before: datetime, since: datetime | None = None
    ) -> Mapping[EndpointId, int]:
        """How many deliveries were due before a time, of endpoints with no attempt since then.

        One that waits for its first attempt is due from its start. With `since`, only those that
        changed then or later are counted.
        """
        ...
