"""The pull feed: rows in the order of the log, read only as far as they are complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.history.cassandra.bridge import Rows
from connectors.history.cassandra.session import Request, Session
from connectors.history.cursors import cursor_of, position_in
from connectors.history.projecting import NOTIFICATIONS_PER_MESSAGE_MAX
from connectors.history.rows import Row
from connectors.history.sql import moment_of
from streams.domain.delivery import wants
from streams.domain.errors import CorruptState
from streams.domain.ids import InvoiceId, MerchantId, NotificationId
from streams.domain.notification import NotificationType
from streams.ports import EventRow
from streams.replays import EventBody

KIND = "events"
STRETCH_POSITIONS = 65_536 * NOTIFICATIONS_PER_MESSAGE_MAX
"""How much of the log a partition of the feed spans; a busy merchant has some 80 MB in it."""

STRETCHES_AT_ONCE = 8

_EVENT = (
    "INSERT INTO events (merchant_id, stretch, position, event_id, type, invoice_id, recorded_us,"
    " body) VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
_PLACE = (
    "INSERT INTO event_places (event_id, merchant_id, position, recorded_us) VALUES (?, ?, ?, ?)"
    " USING TIMESTAMP ?"
)
_PLACES_OF = "SELECT event_id, merchant_id, position FROM event_places WHERE event_id IN ?"
_ENDS_OF = "SELECT merchant_id, position FROM feed_ends WHERE merchant_id IN ?"
_STRETCHES = (
    "SELECT stretch FROM stretches WHERE owner = ? AND list = 'events' AND stretch >= ?"
    " AND stretch <= ?"
)
_COLUMNS = "position, event_id, type, invoice_id, recorded_us, body"
_AT = f"SELECT {_COLUMNS} FROM events WHERE merchant_id = ? AND stretch = ? AND position = ?"  # noqa: S608  # our columns
_BETWEEN = (
    f"SELECT {_COLUMNS} FROM events WHERE merchant_id = ? AND stretch = ?"  # noqa: S608  # as above
    " AND position > ? AND position <= ?"
)
_ALL_TYPES = f"{_BETWEEN} LIMIT ?"
_SOME_TYPES = f"{_BETWEEN} AND type IN ? LIMIT ? ALLOW FILTERING"


async def feed_writes(
    session: Session, rows: Sequence[Row], wanted: set[tuple[str, str, int]]
) -> list[Request]:
    """The writes for events that have no earlier place, which stays theirs.

    A partition is archived in order, so an earlier place is stored when a later one comes.
    Raises `CorruptState` when another event has the place, and readers may have passed it.
    """
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row[0], row)
    places = await session.keyed(_PLACES_OF, list(first))
    ends = await session.keyed(_ENDS_OF, sorted({row[1] for row in rows}))
    new = [row for row in first.values() if row[0] not in places or places[row[0]][2] == row[2]]
    await _check(session, [row for row in new if row[1] in ends and row[2] <= ends[row[1]][1]])
    return [write for row in new for write in _event_writes(row, wanted)]


async def _check(session: Session, again: Sequence[Row]) -> None:
    """What is stored again behind the end of a feed is what was stored there before."""
    found = await session.many((_AT, (row[1], stretch_of(row[2]), row[2])) for row in again)
    for row, there in zip(again, found, strict=True):
        if there and there[0][1] != row[0]:
            # A reader may have passed that place, and would never see the event.
            raise CorruptState(
                "another event has its place in the feed: this history belongs to another log"
            )


def _event_writes(row: Row, wanted: set[tuple[str, str, int]]) -> list[Request]:
    event_id, merchant_id, position, kind, invoice_id, recorded_us, body = row
    stretch = stretch_of(position)
    wanted.add((merchant_id, KIND, stretch))
    told = event_id, kind, invoice_id or "", recorded_us, body
    return [
        (_EVENT, (merchant_id, stretch, position, *told, recorded_us)),
        (_PLACE, (event_id, merchant_id, position, recorded_us, recorded_us)),
    ]


def stretch_of(position: int) -> int:
    """The partition of the feed that a place is in."""
    return position // STRETCH_POSITIONS


async def events(
    session: Session,
    merchant_id: MerchantId,
    *,
    after: str | None,
    types: Sequence[str],
    limit: int,
) -> tuple[list[EventRow], str | None]:
    """One page, oldest first, with the place up to which it was looked."""
    start = position_in(after, KIND) if after is not None else -1
    kinds = [each for each in NotificationType if wants(tuple(types), each)]
    # Rows beyond the end may be there before rows in front of them are.
    end = (await session.keyed(_ENDS_OF, [merchant_id])).get(merchant_id, (merchant_id, -1))[1]
    found = await _between(session, merchant_id, start, end, kinds=kinds, limit=limit)
    looked_to = found[-1][0] if len(found) >= limit else max(start, end)
    cursor = cursor_of(KIND, looked_to) if looked_to >= 0 else None
    return [_event_row(row) for row in found], cursor


async def _between(
    session: Session,
    merchant_id: str,
    start: int,
    end: int,
    *,
    kinds: Sequence[NotificationType],
    limit: int,
) -> Rows:
    """The first rows behind `start` up to `end`; a stretch that has none is one small question."""
    found: Rows = []
    if start >= end:
        return found
    reach = stretch_of(max(start, 0)), stretch_of(end)
    stretches = [
        stretch
        async for rows in session.pages(_STRETCHES, merchant_id, *reach)
        for (stretch,) in rows
    ]
    # The first one alone, because for most readers it is all there is.
    at_once = 1
    while stretches and len(found) < limit:
        together, stretches = stretches[:at_once], stretches[at_once:]
        left = limit - len(found)
        places = [(merchant_id, stretch, start, end) for stretch in together]
        if len(kinds) == len(NotificationType):
            answers = await session.many((_ALL_TYPES, (*place, left)) for place in places)
        else:
            answers = await session.many((_SOME_TYPES, (*place, kinds, left)) for place in places)
        found += [row for rows in answers for row in rows][:left]
        at_once = STRETCHES_AT_ONCE
    return found


async def event(
    session: Session, merchant_id: MerchantId, event_id: NotificationId
) -> EventRow | None:
    """One notification of this merchant."""
    place = (await session.keyed(_PLACES_OF, [event_id])).get(event_id)
    if place is None or place[1] != merchant_id:
        return None
    position = place[2]
    row = await session.one(_AT, merchant_id, stretch_of(position), position)
    return _event_row(row) if row is not None and row[1] == event_id else None


async def event_bodies(
    session: Session, merchant_id: MerchantId, event_ids: Sequence[NotificationId]
) -> dict[NotificationId, EventBody]:
    """The merchant's events among these."""
    places = await session.keyed(_PLACES_OF, event_ids)
    mine = [position for _, owner, position in places.values() if owner == merchant_id]
    found = await session.many((_AT, (merchant_id, stretch_of(each), each)) for each in mine)
    events = [_event_row(rows[0]) for rows in found if rows]
    return {each.event_id: EventBody(body=each.body, invoice_id=each.invoice_id) for each in events}


def _event_row(row: Sequence[Any]) -> EventRow:
    position, event_id, kind, invoice_id, recorded_us, body = row
    return EventRow(
        cursor=cursor_of(KIND, position),
        event_id=NotificationId(event_id),
        type=kind,
        invoice_id=InvoiceId(invoice_id) if invoice_id else None,
        recorded_at=moment_of(recorded_us),
        body=body,
    )
