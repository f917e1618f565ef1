"""Deliveries with their attempts, as a merchant looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.history.acknowledging import of_endpoint
from connectors.history.cassandra.acknowledgements import LIST, of_events
from connectors.history.cassandra.bridge import Rows
from connectors.history.cassandra.replays import replays_of
from connectors.history.cassandra.session import Session
from connectors.history.cassandra.walking import Listing, page
from connectors.history.cursors import cursor_of, time_and_id_in
from connectors.history.kept import kept_message
from connectors.history.sql import moment_of
from streams.domain.delivery import SUCCESS, Attempt, DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId
from streams.happenings import DeliveryAttempted
from streams.ports import DeliveryRow

LISTING = Listing(
    kind="deliveries",
    table="deliveries_by_day",
    owner="merchant_id",
    keys=("created_us", "delivery_id"),
    newest_first=True,
)
_WAITING = Listing(
    kind=LIST,
    table="unacknowledged_by_day",
    owner="endpoint_id",
    keys=("made_us", "delivery_id"),
    newest_first=False,
)
_DELIVERY = (
    "SELECT delivery_id, merchant_id, started, created_us, endpoint_id, event_id, event_type,"
    " status, next_attempt_us, round, sequence FROM deliveries WHERE delivery_id IN ?"
)
_ROUND = 9
"""Where the round stands among the columns."""
_ATTEMPTS = "SELECT message FROM attempts WHERE delivery_id = ?"
_OF_EVENT = (
    "SELECT created_us, delivery_id FROM deliveries_by_event WHERE merchant_id = ? AND event_id = ?"
)


async def delivery(
    session: Session, merchant_id: MerchantId, delivery_id: DeliveryId
) -> DeliveryRow | None:
    """One delivery of this merchant."""
    row = (await _rows(session, [delivery_id]))[0]
    return row[1] if row is not None and row[0] == merchant_id else None


async def deliveries(
    session: Session,
    merchant_id: MerchantId,
    *,
    endpoint_id: EndpointId | None,
    event_id: NotificationId | None,
    status: DeliveryStatus | None,
    after: str | None,
    limit: int,
) -> tuple[list[DeliveryRow], str | None]:
    """Newest first."""

    async def shape(keys: Rows) -> list[DeliveryRow | None]:
        found = await _rows(session, [delivery_id for _, delivery_id in keys])
        return [
            row[1]
            if row is not None
            and endpoint_id in {None, row[1].endpoint_id}
            and status in {None, row[1].status}
            else None
            for row in found
        ]

    if event_id is None:
        wanted = {"endpoint_id": endpoint_id, "status": status}
        filters = {column: str(each) for column, each in wanted.items() if each is not None}
        return await page(
            session, LISTING, merchant_id, filters, after=after, limit=limit, shape=shape
        )
    # An event has one delivery per endpoint: few enough to look at all of them.
    start = time_and_id_in(after, LISTING.kind) if after is not None else None
    keys = await session.rows(_OF_EVENT, merchant_id, event_id)
    left = [key for key in keys if start is None or tuple(key) < start]
    rows = [row for row in await shape(left) if row is not None]
    more = len(rows) > limit
    return rows[:limit], rows[limit - 1].cursor if more else None


async def unacknowledged(
    session: Session,
    merchant_id: MerchantId,
    endpoint_id: EndpointId,
    *,
    before: datetime,
    after: str | None,
    limit: int,
) -> tuple[list[DeliveryRow], str | None]:
    """What waits for an acknowledgement since before a time, the earliest made first."""

    async def shape(keys: Rows) -> list[DeliveryRow | None]:
        found = await _rows(session, [delivery_id for _, delivery_id in keys])
        return [
            row[1]
            if row is not None
            and row[0] == merchant_id
            and row[1].acknowledged is None
            and _delivered_at(row[1]) < before
            else None
            for row in found
        ]

    return await page(session, _WAITING, endpoint_id, {}, after=after, limit=limit, shape=shape)


def _delivered_at(row: DeliveryRow) -> datetime:
    """When it was first answered 2xx; of one whose attempts are kept no longer, long ago."""
    return min(
        (attempt.at for attempt in row.attempts if attempt.status_code in SUCCESS),
        default=row.created_at,
    )


async def _rows(
    session: Session, delivery_ids: Sequence[str]
) -> list[tuple[str, DeliveryRow] | None]:
    """Each delivery that was started, with its merchant."""
    found = await session.keyed(_DELIVERY, delivery_ids)
    # A partition each, whose rows come in their order.
    made = await session.many((_ATTEMPTS, (each,)) for each in delivery_ids)
    again = await replays_of(session, [each for each, row in found.items() if row[_ROUND]])
    known = [each for each in delivery_ids if each in found and found[each][2]]
    answers = await of_events(session, [found[each][5] for each in known])
    acknowledged = dict(zip(known, answers, strict=True))
    return [
        (
            found[each][1],
            replace(
                _delivery_row(found[each], attempts, acknowledged[each]),
                replay_id=again.get((each, found[each][_ROUND])),
            ),
        )
        if each in acknowledged
        else None
        for each, attempts in zip(delivery_ids, made, strict=True)
    ]


def _delivery_row(row: Sequence[Any], attempts: Rows, acknowledged: Rows) -> DeliveryRow:
    delivery_id, _, _, created_us, endpoint_id, event_id, event_type, status, *more = row
    next_us, round_, sequence = more
    return DeliveryRow(
        cursor=cursor_of(LISTING.kind, created_us, delivery_id),
        delivery_id=DeliveryId(delivery_id),
        endpoint_id=EndpointId(endpoint_id),
        event_id=NotificationId(event_id),
        event_type=event_type,
        status=DeliveryStatus(status),
        sequence=sequence or 0,
        created_at=moment_of(created_us),
        next_attempt_at=moment_of(next_us) if next_us else None,
        round=round_,
        attempts=tuple(_attempt(message) for (message,) in attempts),
        acknowledged=of_endpoint(acknowledged, endpoint_id),
    )


def _attempt(message: str) -> Attempt:
    attempt = kept_message(message, DeliveryAttempted).attempt
    assert attempt is not None
    return attempt
