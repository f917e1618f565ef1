"""Whether an endpoint was sent everything: what became of each of its numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from api.call import Answer, Call, answer
from api.endpoints import endpoint_of
from api.errors import wrong
from api.requests import CompletenessQuery
from streams.domain.completeness import Range, completeness
from streams.domain.delivery import DeliveryStatus
from streams.sequences import SequenceRow

KNOWN_MAX = 10_000
"""So many known numbers in one answer; what is not known is a range and costs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberShown:
    """A number and its delivery, which can be resent."""

    sequence: int
    delivery_id: str
    event_id: str
    event_type: str
    status: DeliveryStatus
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletenessShown:
    """What became of each number of `range`, in ranges of which both ends are included.

    `last` is the newest number that is known, 0 when there is none. `complete` says that every
    number of `range` was delivered. `pending` are also those that wait for a retry; `unknown` are
    those that history does not know, or knows no longer. `deliveries` has a row for each that is
    pending, failed or superseded, or for all that are known if the query says so. `next` is the
    `from` to go on with, null at the end.
    """

    range: Range
    last: int
    complete: bool
    delivered: list[Range]
    pending: list[Range]
    failed: list[Range]
    superseded: list[Range]
    unknown: list[Range]
    deliveries: list[NumberShown]
    next: int | None


async def get_completeness(call: Call[None, CompletenessQuery]) -> Answer:
    endpoint, query = await endpoint_of(call), call.query
    history, first = call.services.ports.history, query.first
    newest = await history.last_sequence(call.merchant_id, endpoint.endpoint_id)
    # One who asks from the next number on asks for nothing, and lacks nothing.
    last = query.last if query.last is not None else max(newest, first - 1)
    if query.last is not None and query.last < first:
        raise wrong(("/to", "in the query: must not be less than from"))
    rows = await history.sequence_range(
        call.merchant_id, endpoint.endpoint_id, first=first, last=last, limit=KNOWN_MAX
    )
    more = len(rows) == KNOWN_MAX and rows[-1].sequence < last
    reached = rows[-1].sequence if more else last
    listed = [
        row
        for row in rows
        if query.deliveries == "all" or row.status is not DeliveryStatus.DELIVERED
    ]
    found = completeness({row.sequence: row.status for row in rows}, first, reached)
    shown = {
        "range": (first, reached),
        "last": newest,
        "complete": found.is_complete,
        **asdict(found),
        "deliveries": [_shown(row) for row in listed],
        "next": reached + 1 if more else None,
    }
    return answer(200, shown)


def _shown(row: SequenceRow) -> NumberShown:
    return NumberShown(
        sequence=row.sequence,
        delivery_id=row.delivery_id,
        event_id=row.event_id,
        event_type=row.event_type,
        status=row.status,
        created_at=row.created_at,
    )
