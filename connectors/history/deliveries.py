"""Deliveries with their attempts, as a merchant looks at them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from connectors.history.acknowledgements import of_events
from connectors.history.acknowledging import of_endpoint
from connectors.history.cursors import cursor_of
from connectors.history.kept import kept_message
from connectors.history.lists import page
from connectors.history.sql import array, moment_of, select
from streams.domain.delivery import Attempt, DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId, ReplayId
from streams.happenings import DeliveryAttempted
from streams.ports import DeliveryRow

_KIND = "deliveries"
_COLUMNS = (
    "created_us, delivery_id, endpoint_id, event_id, event_type, status, next_attempt_us, round,"
    " sequence"
)
_ROUND = 7
"""Where the round stands among the columns."""


def deliveries(
    connection: sqlite3.Connection,
    merchant_id: MerchantId,
    *,
    endpoint_id: EndpointId | None,
    event_id: NotificationId | None,
    status: DeliveryStatus | None,
    after: str | None,
    limit: int,
) -> tuple[list[DeliveryRow], str | None]:
    """Newest first."""
    where, values = ["merchant_id = ? AND started"], [str(merchant_id)]
    filters = (("endpoint_id", endpoint_id), ("event_id", event_id), ("status", status))
    for column, wanted in filters:
        if wanted is not None:
            where.append(f"{column} = ?")
            values.append(wanted)
    if status is not None and status is not DeliveryStatus.DELIVERED:
        where.append("status != 'delivered'")  # says that the index of the unfinished will do
    found, cursor = page(
        connection,
        _COLUMNS,
        f"deliveries WHERE {' AND '.join(where)}",
        values,
        keys=("created_us", "delivery_id"),
        kind=_KIND,
        newest_first=True,
        after=after,
        limit=limit,
    )
    return _with_attempts(connection, found), cursor


def delivery(
    connection: sqlite3.Connection, merchant_id: MerchantId, delivery_id: DeliveryId
) -> DeliveryRow | None:
    """One delivery of this merchant."""
    source = "deliveries WHERE delivery_id = ? AND merchant_id = ? AND started"
    found = select(connection, _COLUMNS, source, [delivery_id, merchant_id])
    return next(iter(_with_attempts(connection, found)), None)


def unacknowledged(
    connection: sqlite3.Connection,
    merchant_id: MerchantId,
    endpoint_id: EndpointId,
    *,
    before_us: int,
    after: str | None,
    limit: int,
) -> tuple[list[DeliveryRow], str | None]:
    """What waits for an acknowledgement since before a time, the earliest made first."""
    keys, cursor = page(
        connection,
        "made_us, delivery_id",
        "unacknowledged WHERE endpoint_id = ? AND merchant_id = ? AND since_us < ?",
        [endpoint_id, merchant_id, before_us],
        keys=("made_us", "delivery_id"),
        kind="unacknowledged",
        newest_first=False,
        after=after,
        limit=limit,
    )
    ids = [delivery_id for _, delivery_id in keys]
    source = "deliveries WHERE delivery_id IN (SELECT value FROM json_each(?)) AND started"
    found = {row[1]: row for row in select(connection, _COLUMNS, source, [array(ids)])}
    return _with_attempts(connection, [found[each] for each in ids if each in found]), cursor


def _with_attempts(
    connection: sqlite3.Connection, found: Sequence[Sequence[Any]]
) -> list[DeliveryRow]:
    acknowledged = of_events(connection, {row[3] for row in found})
    made: dict[str, list[Attempt]] = {row[1]: [] for row in found}
    source = (
        "attempts WHERE delivery_id IN (SELECT value FROM json_each(?))"
        " ORDER BY delivery_id, round, number"
    )
    for delivery_id, message in select(connection, "delivery_id, message", source, [array(made)]):
        made[delivery_id].append(_attempt(message))
    again = _replays_of(connection, [row[1] for row in found if row[_ROUND]])
    return [
        replace(
            _delivery_row(row, made[row[1]], acknowledged[row[3]]),
            replay_id=again.get((row[1], row[_ROUND])),
        )
        for row in found
    ]


def _replays_of(
    connection: sqlite3.Connection, delivery_ids: Sequence[str]
) -> dict[tuple[str, int], ReplayId]:
    """The replay that each round was of, if it was of one."""
    source = "delivery_rounds WHERE delivery_id IN (SELECT value FROM json_each(?))"
    columns, values = "delivery_id, round, replay_id", [array(delivery_ids)]
    found = select(connection, columns, source, values) if delivery_ids else []
    return {
        (delivery_id, in_round): ReplayId(replay_id) for delivery_id, in_round, replay_id in found
    }


def _attempt(message: str) -> Attempt:
    attempt = kept_message(message, DeliveryAttempted).attempt
    assert attempt is not None
    return attempt


def _delivery_row(
    row: Sequence[Any], attempts: Sequence[Attempt], acknowledged: Iterable[Sequence[Any]]
) -> DeliveryRow:
    created_us, delivery_id, endpoint_id, event_id, event_type, status, *more = row
    next_us, in_round, sequence = more
    return DeliveryRow(
        cursor=cursor_of(_KIND, created_us, delivery_id),
        delivery_id=DeliveryId(delivery_id),
        endpoint_id=EndpointId(endpoint_id),
        event_id=NotificationId(event_id),
        event_type=event_type,
        status=DeliveryStatus(status),
        sequence=sequence,
        created_at=moment_of(created_us),
        next_attempt_at=moment_of(next_us) if next_us is not None else None,
        round=in_round,
        attempts=tuple(attempts),
        acknowledged=of_endpoint(acknowledged, endpoint_id),
    )
