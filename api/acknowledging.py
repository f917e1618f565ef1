"""The business acknowledgement: what a merchant says was acted on, and what nobody said it of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from api.answers import DeliveriesPage
from api.call import Answer, Call, answer
from api.deliveries import delivery_shown
from api.endpoints import endpoint_of
from api.errors import come_back, not_found, wrong
from api.requests import AcknowledgeRequest, Nothing, PageQuery
from api.tracing import traced_record
from streams.domain.acknowledging import AcknowledgedBy, Acknowledgement
from streams.domain.ids import EndpointId, NotificationId
from streams.messages import EventAcknowledged
from streams.ports import EventRow, Record
from streams.topics import NOTIFICATIONS

EVENT_SECONDS_MAX = 1.0
"""A webhook may be there before its event is in history: so long it is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementShown:
    """The first acknowledgement of an event; `endpoint_id` is null where it is for all of them."""

    event_id: str
    endpoint_id: str | None
    acknowledged_at: datetime
    acknowledged_by: AcknowledgedBy
    released_at: datetime | None


async def acknowledge_event(call: Call[AcknowledgeRequest, Nothing]) -> Answer:
    ports, lookout = call.services.ports, call.services.lookout
    event, endpoint_id = await _event(call), await _endpoint_id(call)

    async def known() -> Acknowledgement | None:
        return await ports.history.acknowledgement(event.event_id, endpoint_id)

    found = await known()
    if found is None:
        await ports.appender.append([_record(call, event, endpoint_id)])
        limit = ports.limits.effect_seconds_max
        found = await lookout.until(event.event_id, known, seconds_max=limit)
    if found is None:
        raise come_back(503, "the acknowledgement was taken and is not carried out yet")
    shown = AcknowledgementShown(
        event_id=event.event_id,
        endpoint_id=endpoint_id,
        acknowledged_at=found.at,
        acknowledged_by=found.by,
        released_at=found.released_at,
    )
    return answer(200, shown)


async def list_unacknowledged(call: Call[None, PageQuery]) -> Answer:
    ports, endpoint = call.services.ports, await endpoint_of(call)
    rows, cursor = await ports.history.unacknowledged(
        call.merchant_id,
        endpoint.endpoint_id,
        before=ports.clock() - timedelta(seconds=endpoint.ack_seconds),
        after=call.query.after,
        limit=call.query.limit,
    )
    return answer(200, DeliveriesPage(data=[delivery_shown(row) for row in rows], next=cursor))


async def _event(call: Call[AcknowledgeRequest, Nothing]) -> EventRow:
    ports, event_id = call.services.ports, NotificationId(call.path("event_id"))

    async def look() -> EventRow | None:
        return await ports.history.event(call.merchant_id, event_id)

    limit = min(EVENT_SECONDS_MAX, ports.limits.effect_seconds_max)
    row = await call.services.lookout.until(call.merchant_id, look, seconds_max=limit)
    if row is None:
        raise not_found("event")
    return row


async def _endpoint_id(call: Call[AcknowledgeRequest, Nothing]) -> EndpointId | None:
    if call.body.endpoint_id is None:
        return None
    directory, endpoint_id = call.services.directory, EndpointId(call.body.endpoint_id)
    await directory.catch_up()
    endpoint = directory.endpoint(endpoint_id)
    if endpoint is None or endpoint.merchant_id != call.merchant_id:
        raise wrong(("/endpoint_id", "there is no such endpoint"))
    return endpoint_id


def _record(
    call: Call[AcknowledgeRequest, Nothing], event: EventRow, endpoint_id: EndpointId | None
) -> Record:
    acknowledged = EventAcknowledged(
        merchant_id=call.merchant_id,
        event_id=event.event_id,
        told_at=datetime.fromisoformat(orjson.loads(event.body)["timestamp"]),
        at=call.services.ports.clock(),
        endpoint_id=endpoint_id,
        released_at=call.body.released_at,
    )
    return traced_record(call.request, NOTIFICATIONS, call.merchant_id.encode(), acknowledged)
