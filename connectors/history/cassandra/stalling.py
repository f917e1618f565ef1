"""Deliveries that nobody seems to try any more, found by reading all of them."""

from __future__ import annotations

from collections import Counter

from connectors.history.cassandra import ring
from connectors.history.cassandra.session import Session
from streams.domain.ids import EndpointId

_DELIVERIES = (
    "SELECT endpoint_id, status, next_attempt_us, changed_us FROM deliveries"
    " WHERE token(delivery_id) > ? AND token(delivery_id) <= ?"
)
_CHANGED = f"{_DELIVERIES} AND changed_us >= ? ALLOW FILTERING"
_UNFINISHED = frozenset({"pending", "retrying"})
_TRIED = frozenset({"delivered", "retrying", "failed"})


async def stalled(session: Session, before_us: int, since_us: int | None) -> dict[EndpointId, int]:
    """Those that were due before a time, by endpoint, where nothing was tried since then."""
    alive: set[str] = set()

    async def take(pages: ring.Pages) -> Counter[str]:
        due: Counter[str] = Counter()
        async for rows in pages:
            for endpoint_id, status, next_us, changed_us in rows:
                if status in _TRIED and changed_us >= before_us:
                    alive.add(endpoint_id)
                if status in _UNFINISHED and (next_us or changed_us) < before_us:
                    due[endpoint_id] += 1
        return due

    request = (_DELIVERIES, ()) if since_us is None else (_CHANGED, (since_us,))
    found = sum(await ring.read(session, request, ring.ranges(), take), Counter[str]())
    return {EndpointId(each): many for each, many in found.items() if each not in alive}
