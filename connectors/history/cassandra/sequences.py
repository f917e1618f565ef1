"""The deliveries of an endpoint by their numbers: a partition for each stretch of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cassandra.query import UNSET_VALUE  # type: ignore[import-untyped]  # no type hints

from connectors.history.cassandra import times
from connectors.history.cassandra.bridge import Rows
from connectors.history.cassandra.known import Delivery
from connectors.history.cassandra.session import Request, Session
from connectors.history.sql import moment_of
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId
from streams.sequences import SequenceRow

STRETCH_NUMBERS = 65_536
"""How many numbers are in a partition; with some 200 bytes each it stays far below 100 MB."""

_LIST = "sequences"
_WRITE = (
    "INSERT INTO deliveries_by_sequence (merchant_id, endpoint_id, stretch, sequence, delivery_id,"
    " event_id, event_type, created_us, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " USING TIMESTAMP ?"
)
_STRETCHES = (
    f"SELECT stretch FROM stretches WHERE owner = ? AND list = '{_LIST}' AND stretch >= ?"  # noqa: S608  # our name
    " AND stretch <= ?"
)
_STRETCHES_BACK = (
    f"SELECT stretch FROM stretches WHERE owner = ? AND list = '{_LIST}' ORDER BY stretch DESC"  # noqa: S608  # as above
)
_OF_STRETCH = (
    "FROM deliveries_by_sequence WHERE merchant_id = ? AND endpoint_id = ? AND stretch = ?"
)
_RANGE = (
    "SELECT sequence, delivery_id, event_id, event_type, created_us, status"
    f" {_OF_STRETCH} AND sequence >= ? AND sequence <= ? LIMIT ?"
)
_LAST = f"SELECT sequence {_OF_STRETCH} ORDER BY sequence DESC LIMIT 1"
_STARTED = (
    "SELECT delivery_id, started, event_id, event_type FROM deliveries WHERE delivery_id IN ?"
)


def stretch_of(sequence: int) -> int:
    """The partition of a number."""
    return sequence // STRETCH_NUMBERS


def sequence_writes(
    delivery_id: str, delivery: Delivery, wanted: set[tuple[str, str, int]]
) -> Iterator[Request]:
    """The row of a delivery whose number, time and endpoint are known."""
    if not delivery.sequence:
        return
    assert delivery.created_us is not None
    stretch = stretch_of(delivery.sequence)
    wanted.add((delivery.endpoint_id, _LIST, stretch))
    values = (
        *(delivery.merchant_id, delivery.endpoint_id, stretch, delivery.sequence, delivery_id),
        delivery.event_id or UNSET_VALUE,  # known where the delivery starts
        delivery.event_type or UNSET_VALUE,
        *(delivery.created_us, delivery.status),
        times.of_age(delivery.created_us, delivery.rank),
    )
    yield _WRITE, values


async def sequence_range(
    session: Session,
    merchant_id: MerchantId,
    endpoint_id: EndpointId,
    *,
    first: int,
    last: int,
    limit: int,
) -> list[SequenceRow]:
    """The known numbers of a range, ascending."""
    stretches = [
        stretch
        async for rows in session.pages(
            _STRETCHES, endpoint_id, stretch_of(first), stretch_of(last)
        )
        for (stretch,) in rows
    ]
    found: list[SequenceRow] = []
    for stretch in stretches:
        start, is_read = first, False
        while not is_read and len(found) < limit:
            size = limit - len(found)
            values = merchant_id, endpoint_id, stretch, start, last, size
            rows = [row async for page in session.pages(_RANGE, *values) for row in page]
            found += await _shaped(session, rows)
            is_read = len(rows) < size
            start = rows[-1][0] + 1 if rows else start
    return found


async def last_sequence(session: Session, merchant_id: MerchantId, endpoint_id: EndpointId) -> int:
    """The greatest number, or 0; stretches whose rows have expired are passed over."""
    stretches = [
        stretch async for rows in session.pages(_STRETCHES_BACK, endpoint_id) for (stretch,) in rows
    ]
    for stretch in stretches:
        row = await session.one(_LAST, merchant_id, endpoint_id, stretch)
        if row is not None:
            return int(row[0])
    return 0


async def _shaped(session: Session, rows: Rows) -> list[SequenceRow]:
    """The rows of deliveries that were started; what one of them does not say is looked up."""
    started = await session.keyed(_STARTED, [row[1] for row in rows if row[3] is None])
    shaped: list[SequenceRow] = []
    for row in rows:
        _, is_started, event_id, event_type = started.get(row[1], (None, row[3], *row[2:4]))
        if is_started:
            shaped.append(_row(row, event_id, event_type))
    return shaped


def _row(row: Sequence[Any], event_id: str, event_type: str) -> SequenceRow:
    sequence, delivery_id, _, _, created_us, status = row
    return SequenceRow(
        sequence=sequence,
        delivery_id=DeliveryId(delivery_id),
        event_id=NotificationId(event_id),
        event_type=event_type,
        created_at=moment_of(created_us),
        status=DeliveryStatus(status),
    )
