"""Acknowledgements: kept by their event; what waits for one is listed by day, and goes with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cassandra.query import UNSET_VALUE  # type: ignore[import-untyped]  # no type hints

from connectors.history.acknowledging import ALL, Row, of_endpoint
from connectors.history.cassandra import times
from connectors.history.cassandra.bridge import Rows as Found
from connectors.history.cassandra.session import Request, Session
from connectors.history.rows import Rows
from connectors.history.sql import whole_milliseconds
from streams.domain.acknowledging import Acknowledgement
from streams.domain.ids import EndpointId, NotificationId, delivery_id
from streams.happenings import AcknowledgementTaken, DeliveryAttempted
from streams.ports import Archived

LIST = "unacknowledged"
_ACKNOWLEDGEMENT = (
    "INSERT INTO acknowledgements (event_id, endpoint_id, at_us, made_by, released_us)"
    " VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
_WAITS = (
    "INSERT INTO unacknowledged_by_day (endpoint_id, day, made_us, delivery_id)"
    " VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
)
_WAITS_NO_MORE = (
    "DELETE FROM unacknowledged_by_day USING TIMESTAMP ? WHERE endpoint_id = ? AND day = ?"
    " AND made_us = ? AND delivery_id = ?"
)
_OF_EVENT = (
    "SELECT endpoint_id, at_us, made_by, released_us FROM acknowledgements WHERE event_id = ?"
)
_GREATEST = times.first_said(0)
"""As great as the timestamp of anything that is said once, so a removal holds against it."""


def acknowledgement_writes(
    rows: Rows, first: int, wanted: set[tuple[str, str, int]]
) -> Iterator[Request]:
    """The rows of one message; `first` is the timestamp of what is said once."""
    for *what, released_us in rows.acknowledgements:
        values = *what, UNSET_VALUE if released_us is None else released_us, first
        yield _ACKNOWLEDGEMENT, values
    for endpoint_id, made_us, named, *_ in rows.unacknowledged:
        wanted.add((endpoint_id, LIST, times.day_of(made_us)))
        yield _WAITS, (*_place(endpoint_id, made_us, named), first)


def acknowledgement_removals(batch: Sequence[Archived]) -> Iterator[Request]:
    """What waits no more after a batch, wherever it may have waited."""
    for archived in batch:
        match archived.message:
            case AcknowledgementTaken(asking_ids=asking_ids, event_id=event_id) as message:
                made_us = whole_milliseconds(message.told_at)
                for endpoint_id in asking_ids:
                    if message.endpoint_id in {None, endpoint_id}:
                        named = delivery_id(event_id, endpoint_id)
                        yield _WAITS_NO_MORE, (_GREATEST, *_place(endpoint_id, made_us, named))
            case DeliveryAttempted(attempt=attempt, created_at=created_at) as message:
                # In its first round nothing was listed yet.
                is_answer = attempt is not None and attempt.released_at is not None
                if is_answer and message.round and message.endpoint_id and created_at:
                    made_us = whole_milliseconds(created_at)
                    place = _place(message.endpoint_id, made_us, message.delivery_id)
                    yield _WAITS_NO_MORE, (_GREATEST, *place)
            case _:
                pass


def _place(endpoint_id: str, made_us: int, named: str) -> Row:
    return endpoint_id, times.day_of(made_us), made_us, named


async def acknowledgement(
    session: Session, event_id: NotificationId, endpoint_id: EndpointId | None
) -> Acknowledgement | None:
    """The first one that covers an endpoint, or all of them."""
    return of_endpoint(await session.rows(_OF_EVENT, event_id), endpoint_id or ALL)


async def of_events(session: Session, events: Sequence[str]) -> list[Found]:
    """What was acknowledged of each event: endpoint, time, by what, release."""
    return await session.many((_OF_EVENT, (event_id,)) for event_id in events)
