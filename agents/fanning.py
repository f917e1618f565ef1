"""From a notification to deliveries: to whom, with which number, and after which other one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agents.step import Envelope
from streams.domain.delivery import Delivery, Endpoint, delivery_key, wants
from streams.domain.ids import NotificationId, delivery_id
from streams.domain.notification import Notification, Told
from streams.domain.sequence import Counter, numbered_body
from streams.messages import Notified
from tables.pending import Pending


@dataclass(slots=True)
class Fanned:
    """What one notification of an event made for an endpoint, or had made before a crash."""

    started: list[Delivery] = field(default_factory=list)
    """What history is told of; without a number where it is finished already."""
    pending: list[Delivery] = field(default_factory=list)
    superseded: list[Delivery] = field(default_factory=list)
    """What is not worth sending any more, as the endpoint wants it."""


def fan_out(message: Notified, endpoint: Endpoint, envelope: Envelope, pending: Pending) -> Fanned:
    """Number and write the deliveries to one endpoint, exactly once whatever crashes.

    The order of writing is what makes it exact: the one before learns its follower, then come the
    deliveries, then the counter. A crash keeps a beginning of it.
    """
    counter = pending.counter(endpoint.endpoint_id)
    if counter.has_read(envelope.place.offset, envelope.now):
        return _again(message, endpoint, envelope, pending)
    if counter.has_seen(message.source):
        return Fanned()
    there = {
        one.notification_id: row
        for one in message.notifications
        if (row := pending.get(_key(endpoint, one))) is not None
    }
    made = _numbered(message, endpoint, envelope, counter, there)
    if not made:
        return Fanned()
    before = _before(message, endpoint, pending)
    made = _in_order(made, before[-1] if before else None)
    if before and before[-1].then != made[0].key:
        pending.put(replace(before[-1], then=made[0].key))
    for delivery in made:
        pending.put(delivery)
    last = made[-1]
    counted = counter.counted(
        last=last.sequence,
        last_id=last.notification_id,
        offset=envelope.place.offset,
        at=envelope.now,
        source=message.source,
    )
    pending.count(endpoint.endpoint_id, counted)
    superseded = before if endpoint.supersede else []
    return Fanned(started=made, pending=made, superseded=superseded)


def _again(message: Notified, endpoint: Endpoint, envelope: Envelope, pending: Pending) -> Fanned:
    """What was made of the same record before: of what is finished its number is not known."""
    fanned = Fanned()
    for one in message.notifications:
        row = pending.get(_key(endpoint, one))
        if row is not None:
            fanned.pending.append(row)
        if row is not None or wants(endpoint.types, one.type):
            # One that is to be told again was started, and delivered, long before.
            row = None if row is None or row.tellings else row
            fanned.started.append(row or _delivery(one, endpoint, envelope))
    if endpoint.supersede:
        fanned.superseded = _before(message, endpoint, pending)
    return fanned


def _numbered(
    message: Notified,
    endpoint: Endpoint,
    envelope: Envelope,
    counter: Counter,
    there: dict[NotificationId, Delivery],
) -> list[Delivery]:
    """The deliveries in the order of their numbers.

    Those that are `there` were written before a crash that took their counter; they keep their
    numbers, which come right after the counter's. One with a number that is counted is there
    because another record said the same: it is left alone.
    """
    uncounted = (row for row in there.values() if row.sequence > counter.last)
    made = sorted(uncounted, key=lambda row: row.sequence)
    last, last_id = counter.last, counter.last_id
    if made:
        last, last_id = made[-1].sequence, made[-1].notification_id
    for one in message.notifications:
        if one.notification_id not in there and wants(endpoint.types, one.type):
            last += 1
            made.append(_delivery(one, endpoint, envelope, sequence=last, previous_id=last_id))
            last_id = one.notification_id
    return made


def _in_order(made: list[Delivery], before: Delivery | None) -> list[Delivery]:
    """Each of one invoice after the one before; what is of no invoice waits for nothing."""
    if before is None and len(made) == 1:
        return made
    keys = [delivery.key for delivery in made]
    afters = [before.key if before else "", *keys]
    thens = [*keys[1:], ""]
    return [
        replace(delivery, after=after, then=then or delivery.then)
        for delivery, after, then in zip(made, afters, thens, strict=False)
    ]


def _before(message: Notified, endpoint: Endpoint, pending: Pending) -> list[Delivery]:
    """What is pending of the same invoice, told before; the oldest first."""
    found = (pending.get(_key(endpoint, told)) for told in reversed(message.earlier))
    # What had ended once, and is told or sent again, holds up nothing and is not replaced.
    return [row for row in found if row and not row.tellings and not row.had_ended]


def _key(endpoint: Endpoint, one: Notification | Told) -> str:
    made = delivery_id(one.notification_id, endpoint.endpoint_id)
    return delivery_key(endpoint.endpoint_id, one.at, made)


def _delivery(
    one: Notification,
    endpoint: Endpoint,
    envelope: Envelope,
    *,
    sequence: int = 0,
    previous_id: NotificationId | None = None,
) -> Delivery:
    return Delivery(
        delivery_id=delivery_id(one.notification_id, endpoint.endpoint_id),
        endpoint_id=endpoint.endpoint_id,
        merchant_id=endpoint.merchant_id,
        notification_id=one.notification_id,
        notification_type=one.type,
        body=numbered_body(one.body, sequence, previous_id) if sequence else one.body,
        created_at=one.at,  # as a replay finds it, unlike the time of this record
        due_at=envelope.now,
        traceparent=envelope.traceparent,
        sequence=sequence,
        previous_id=previous_id,
    )
