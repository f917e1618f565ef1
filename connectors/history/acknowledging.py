"""Acknowledgements as rows, whatever the engine: who acknowledged, and what waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from connectors.history.sql import micros, moment_of, whole_milliseconds
from streams.domain.acknowledging import AcknowledgedBy, Acknowledgement
from streams.happenings import AcknowledgementTaken, DeliveryAttempted

ALL = ""
"""Stands for every endpoint."""

Row = tuple[Any, ...]


def by_answer(message: DeliveryAttempted) -> Iterator[Row]:
    """The acknowledgement in the answer to an attempt, if there is one: as `by_call`."""
    attempt = message.attempt
    if attempt is not None and attempt.released_at is not None and message.event_id is not None:
        released_us = micros(attempt.released_at)
        endpoint_id = message.endpoint_id
        yield message.event_id, endpoint_id, micros(message.at), AcknowledgedBy.ANSWER, released_us


def by_call(message: AcknowledgementTaken) -> Row:
    """Event, endpoint or `ALL`, when it was heard, by what, and when the order was released."""
    released_us = micros(message.released_at) if message.released_at is not None else None
    endpoint_id = message.endpoint_id or ALL
    return message.event_id, endpoint_id, micros(message.at), AcknowledgedBy.CALL, released_us


def waits(message: DeliveryAttempted) -> Iterator[Row]:
    """What waits: endpoint, when it was made, delivery, merchant, event, since when.

    The time at which it was made is in whole milliseconds: all that an acknowledgement knows.
    """
    if message.is_unacknowledged:
        assert message.created_at is not None, "told by the same version"
        made_us = whole_milliseconds(message.created_at)
        key = message.endpoint_id, made_us, message.delivery_id
        yield *key, message.merchant_id, message.event_id, micros(message.at)


def of_endpoint(rows: Iterable[Sequence[Any]], endpoint_id: str) -> Acknowledgement | None:
    """The first that covers an endpoint, of an event's: endpoint, time, by what, release."""
    covering = [row for row in rows if row[0] in {ALL, endpoint_id}]
    if not covering:
        return None
    _, at_us, made_by, released_us = min(covering, key=lambda row: (row[1], row[0]))
    return Acknowledgement(
        at=moment_of(at_us),
        by=AcknowledgedBy(made_by),
        released_at=moment_of(released_us) if released_us is not None else None,
    )
