"""Replays in the file of history, and what they read of deliveries and events."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from connectors.history.cursors import cursor_of
from connectors.history.kept import kept_message
from connectors.history.lists import first, page
from connectors.history.sql import array, moment_of, select
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, InvoiceId, MerchantId, NotificationId
from streams.domain.ids import ReplayId as Id
from streams.domain.replay import EndReason, ReplayStatus
from streams.replays import DeliveryStanding, EventBody, ReplayRequested, ReplayRow

KIND = "replays"
_COLUMNS = (
    "created_us, replay_id, message, position, found, resent, taken, status, finished_us, reason"
)


def replay(
    connection: sqlite3.Connection, merchant_id: MerchantId, replay_id: Id
) -> ReplayRow | None:
    """One replay of this merchant."""
    source = "replays WHERE replay_id = ? AND merchant_id = ? AND message != ''"
    return first(connection, _COLUMNS, source, [replay_id, merchant_id], replay_row)


def replays(
    connection: sqlite3.Connection,
    merchant_id: MerchantId,
    endpoint_id: EndpointId,
    *,
    after: str | None,
    limit: int,
) -> tuple[list[ReplayRow], str | None]:
    """Newest first."""
    found, cursor = page(
        connection,
        _COLUMNS,
        "replays WHERE merchant_id = ? AND endpoint_id = ?",
        [merchant_id, endpoint_id],
        keys=("created_us", "replay_id"),
        kind=KIND,
        newest_first=True,
        after=after,
        limit=limit,
    )
    return [replay_row(row) for row in found], cursor


def running_replays(connection: sqlite3.Connection) -> list[tuple[MerchantId, Id]]:
    """Every replay that has not ended."""
    source = "replays WHERE status = 'running' AND message != '' ORDER BY replay_id"
    found = select(connection, "merchant_id, replay_id", source)
    return [(MerchantId(merchant_id), Id(replay_id)) for merchant_id, replay_id in found]


def delivery_standings(
    connection: sqlite3.Connection, delivery_ids: Sequence[DeliveryId]
) -> dict[DeliveryId, DeliveryStanding]:
    """How each delivery stands that is known."""
    source = "deliveries WHERE delivery_id IN (SELECT value FROM json_each(?))"
    columns = "delivery_id, round, status, next_attempt_us"
    found = select(connection, columns, source, [array(delivery_ids)])
    return {DeliveryId(each): delivery_standing(*standing) for each, *standing in found}


def event_bodies(
    connection: sqlite3.Connection, merchant_id: MerchantId, event_ids: Sequence[NotificationId]
) -> dict[NotificationId, EventBody]:
    """The merchant's events among these."""
    source = "events WHERE event_id IN (SELECT value FROM json_each(?)) AND merchant_id = ?"
    values = [array(event_ids), merchant_id]
    return {
        NotificationId(event_id): EventBody(
            body=body, invoice_id=InvoiceId(invoice_id) if invoice_id else None
        )
        for event_id, invoice_id, body in select(
            connection, "event_id, invoice_id, body", source, values
        )
    }


def delivery_standing(in_round: int, status: str, next_us: int | None) -> DeliveryStanding:
    """How a delivery stands, of either engine."""
    return DeliveryStanding(
        round=in_round,
        status=DeliveryStatus(status),
        next_attempt_at=moment_of(next_us) if next_us else None,
    )


def replay_row(row: Sequence[Any]) -> ReplayRow:
    """A row of either engine, by the order of its columns here."""
    created_us, replay_id, message, *reached, taken, status, finished_us, reason = row
    asked = kept_message(message, ReplayRequested)
    position, found, resent = (each or 0 for each in reached)
    return ReplayRow(
        cursor=cursor_of(KIND, created_us, replay_id),
        replay_id=Id(replay_id),
        merchant_id=asked.merchant_id,
        endpoint_id=asked.endpoint_id,
        selection=asked.selection,
        created_at=asked.at,
        status=ReplayStatus(status or ReplayStatus.RUNNING),
        position=max(position, asked.selection.first - 1),
        found=found,
        resent=resent,
        taken=taken or "",
        finished_at=moment_of(finished_us) if finished_us else None,
        reason=EndReason(reason) if reason else None,
    )
