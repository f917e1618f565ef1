"""The deliveries of an endpoint by their numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from connectors.history.sql import moment_of, select
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId
from streams.sequences import SequenceRow

_COLUMNS = "sequence, delivery_id, event_id, event_type, created_us, status"
# `sequence > 0` says that the index of numbers will do; the `+` that no other will.
_OF_ENDPOINT = "deliveries WHERE endpoint_id = ? AND sequence > 0 AND +merchant_id = ?"


def sequence_range(
    connection: sqlite3.Connection,
    merchant_id: MerchantId,
    endpoint_id: EndpointId,
    *,
    first: int,
    last: int,
    limit: int,
) -> list[SequenceRow]:
    """The known numbers of a range, ascending."""
    source = f"{_OF_ENDPOINT} AND sequence BETWEEN ? AND ? AND started ORDER BY sequence LIMIT ?"
    values = [endpoint_id, merchant_id, first, last, limit]
    return [_row(row) for row in select(connection, _COLUMNS, source, values)]


def last_sequence(
    connection: sqlite3.Connection, merchant_id: MerchantId, endpoint_id: EndpointId
) -> int:
    """The greatest number, or 0."""
    source = f"{_OF_ENDPOINT} ORDER BY sequence DESC LIMIT 1"
    found = select(connection, "sequence", source, [endpoint_id, merchant_id])
    return int(found[0][0]) if found else 0


def _row(row: Sequence[Any]) -> SequenceRow:
    sequence, delivery_id, event_id, event_type, created_us, status = row
    return SequenceRow(
        sequence=sequence,
        delivery_id=DeliveryId(delivery_id),
        event_id=NotificationId(event_id),
        event_type=event_type,
        created_at=moment_of(created_us),
        status=DeliveryStatus(status),
    )
