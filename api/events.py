"""The pull feed (収納情報自動取得): a merchant's notifications in one order that never changes."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import orjson

from api.call import Answer, Call, answer
from api.errors import not_found
from api.ports import ApiPorts
from api.requests import EventsQuery, Nothing
from streams.domain.errors import Unavailable
from streams.domain.ids import MerchantId, NotificationId
from streams.ports import EventRow
from streams.topics import HISTORY

SETTLING_TIME = timedelta(seconds=1)
"""A record's time is taken a moment before the record can be seen."""

logger = logging.getLogger(__name__)


async def list_events(call: Call[None, EventsQuery]) -> Answer:
    ports, query = call.services.ports, call.query
    if query.wait:
        await _wait(call)
    # Asked before the page is read, so what is promised as complete is on the pages.
    complete_up_to = await _complete_up_to(ports, call.merchant_id)
    rows, cursor = await ports.history.events(
        call.merchant_id, after=query.after, types=query.types, limit=query.limit
    )
    page = {
        "data": [_shown(row) for row in rows],
        "next": cursor or query.after,
        "complete_up_to": complete_up_to,
    }
    return answer(200, page)


async def _wait(call: Call[None, EventsQuery]) -> None:
    """Return when the page has an event, or after the time that the caller wants to wait."""
    history, query = call.services.ports.history, call.query
    place = query.after

    async def look() -> bool | None:
        nonlocal place
        rows, cursor = await history.events(
            call.merchant_id, after=place, types=query.types, limit=1
        )
        place = cursor or place
        return True if rows else None

    await call.services.lookout.until(call.merchant_id, look, seconds_max=query.wait)


async def get_event(call: Call[None, Nothing]) -> Answer:
    event_id = NotificationId(call.path("event_id"))
    row = await call.services.ports.history.event(call.merchant_id, event_id)
    if row is None:
        raise not_found("event")
    return answer(200, _shown(row))


async def _complete_up_to(ports: ApiPorts, merchant_id: MerchantId) -> datetime | None:
    """Before this time nothing more will come: not from history, nor from the steps before it.

    The steps are asked first: what they took by then is in history's topic already. While the log
    cannot be asked nobody knows the time, and the feed goes on without it.
    """
    now = ports.clock()
    partition = ports.tail.partition_of(HISTORY.name, merchant_id.encode())
    try:
        untaken_since = await ports.tail.untaken_since()
        end = await ports.tail.end(HISTORY.name, partition)
    except Unavailable as error:
        logger.warning("a page of the feed has no `complete_up_to`: %s", error)
        return None
    archived_to, archived_at = await ports.history.archived_to(HISTORY.name, partition)
    complete = now - SETTLING_TIME if archived_to >= end else archived_at
    if complete is None or untaken_since is None:
        return complete
    return min(complete, untaken_since)


def _shown(row: EventRow) -> dict[str, object]:
    return {
        "id": row.event_id,
        "type": row.type,
        "invoice_id": row.invoice_id,
        "recorded_at": row.recorded_at,
        "payload": orjson.Fragment(row.body),
    }
