"""Deliveries: what was sent where, every attempt of it, and sending it again."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from api.answers import AttemptShown, DeliveriesPage, DeliveryShown
from api.call import Answer, Call, answer
from api.errors import Problem, not_found
from api.requests import DeliveriesQuery, Nothing
from api.tracing import TRACEPARENT, traced_record
from streams.domain.delivery import Attempt, Delivery
from streams.domain.ids import DeliveryId, EndpointId, NotificationId
from streams.messages import ResendRequested
from streams.ports import DeliveryRow
from streams.resending import made_again
from streams.topics import NOTIFICATIONS


async def list_deliveries(call: Call[None, DeliveriesQuery]) -> Answer:
    query = call.query
    rows, cursor = await call.services.ports.history.deliveries(
        call.merchant_id,
        endpoint_id=EndpointId(query.endpoint_id) if query.endpoint_id else None,
        event_id=NotificationId(query.event_id) if query.event_id else None,
        status=query.status,
        after=query.after,
        limit=query.limit,
    )
    return answer(200, DeliveriesPage(data=[delivery_shown(row) for row in rows], next=cursor))


async def resend_delivery(call: Call[Nothing, Nothing]) -> Answer:
    row = await _delivery(call)
    again = await _again(call, row)
    asked, key = ResendRequested(delivery=again), call.merchant_id.encode()
    said = traced_record(call.request, NOTIFICATIONS, key, asked)
    await call.services.ports.appender.append([said])

    async def started() -> DeliveryRow | None:
        seen = await _delivery(call)
        return seen if seen.round >= again.round else None

    limit = call.services.ports.limits.effect_seconds_max
    seen = await call.services.lookout.until(row.delivery_id, started, seconds_max=limit)
    return answer(202, delivery_shown(seen or row))


def attempt_shown(attempt: Attempt) -> AttemptShown:
    """One try as the API shows it."""
    return AttemptShown(
        number=attempt.number,
        at=attempt.at,
        duration_ms=attempt.duration_ms,
        status_code=attempt.status_code,
        error=attempt.error,
        answer=attempt.answer,
        address=attempt.address,
        waiting_ms=attempt.waiting_ms,
        dns_ms=attempt.dns_ms,
        connect_ms=attempt.connect_ms,
        tls_ms=attempt.tls_ms,
        first_byte_ms=attempt.first_byte_ms,
        released_at=attempt.released_at,
    )


async def _again(call: Call[object, object], row: DeliveryRow) -> Delivery:
    directory, ports = call.services.directory, call.services.ports
    await directory.catch_up()
    if directory.endpoint(row.endpoint_id) is None:
        raise Problem(409, "the endpoint of this delivery was removed")
    event = await ports.history.event(call.merchant_id, row.event_id)
    if event is None:
        raise Problem(409, "the event of this delivery is no longer kept")
    previous_id = await _previous(call, row)
    again = made_again(
        row,
        row,
        merchant_id=call.merchant_id,
        endpoint_id=row.endpoint_id,
        event_body=event.body,
        previous_id=previous_id,
        acknowledged=row.acknowledged is not None,
        now=ports.clock(),
    )
    return replace(again, traceparent=call.request[TRACEPARENT])


async def _previous(call: Call[object, object], row: DeliveryRow) -> NotificationId | None:
    """The event before this one, which its body names; a repeat has the same body or is none."""
    before = row.sequence - 1
    if before < 1:
        return None
    found = await call.services.ports.history.sequence_range(
        call.merchant_id, row.endpoint_id, first=before, last=before, limit=1
    )
    if not found:
        raise Problem(
            409,
            "the delivery before this one is not in history, so this one cannot be sent again byte"
            f" for byte; GET /v1/events/{row.event_id} has its content",
        )
    return found[0].event_id


async def _delivery(call: Call[object, object]) -> DeliveryRow:
    delivery_id = DeliveryId(call.path("delivery_id"))
    row = await call.services.ports.history.delivery(call.merchant_id, delivery_id)
    if row is None:
        raise not_found("delivery")
    return row


def delivery_shown(row: DeliveryRow) -> DeliveryShown:
    """A delivery as the API shows it."""
    acknowledged = row.acknowledged
    return DeliveryShown(
        id=row.delivery_id,
        endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        event_type=row.event_type,
        status=row.status,
        sequence=row.sequence or None,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        round=row.round,
        cause=_cause(row),
        replay_id=row.replay_id,
        acknowledged_at=acknowledged.at if acknowledged else None,
        acknowledged_by=acknowledged.by if acknowledged else None,
        attempts=[attempt_shown(attempt) for attempt in row.attempts],
    )


def _cause(row: DeliveryRow) -> Literal["event", "resend", "replay"]:
    if row.replay_id is not None:
        return "replay"
    return "resend" if row.round else "event"
