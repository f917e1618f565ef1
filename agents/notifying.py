"""The notifying step: from a notification to deliveries, and from each attempt to what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from agents.acknowledging import acknowledged, tell_again, verdict_of
from agents.dropping import ENDS_AS, drop
from agents.endpoint_life import EndpointLife, EndpointRows
from agents.fanning import fan_out
from agents.lanes import Lanes
from agents.resending import end_of_replay, placed
from agents.step import Envelope, Result, Step, record
from streams.codecs import decode_notification_message
from streams.domain.acknowledging import TellAgain, is_unacknowledged
from streams.domain.delivery import (
    GONE,
    Delivered,
    Delivery,
    DeliveryStatus,
    EndpointGone,
    GivenUp,
    RetryAt,
    delivery_key,
)
from streams.domain.ids import MerchantId
from streams.happenings import DeliveriesStarted, DeliveryAttempted, EndpointTold
from streams.messages import (
    AttemptMade,
    AttemptsMade,
    DeliveryDropped,
    DropReason,
    EndpointRemoved,
    EndpointSet,
    EventAcknowledged,
    Notified,
    ResendRequested,
    health_key,
)
from streams.ports import Record
from streams.topics import DIRECTORY, HISTORY, NOTIFICATIONS
from tables.pending import Pending

DROPS_PER_STEP_MAX = 500
"""A removed endpoint may have a million deliveries pending: they are dropped in portions."""


def notifying(*, endpoints: EndpointRows, pending: Pending, lanes: Lanes) -> Step:
    """Build the step; it alone writes the endpoints and deliveries tables."""
    notifier = _Notifier(endpoints, pending, lanes)

    def step(envelope: Envelope) -> Result:
        message = decode_notification_message(envelope.value)
        match message:
            case Notified():
                result = notifier.fan_out(message, envelope)
            case AttemptMade():
                result = notifier.attempted(message, envelope)
            case AttemptsMade():
                result = notifier.attempts(message, envelope)
            case EndpointSet():
                result = notifier.endpoint_set(message)
            case EndpointRemoved():
                result = notifier.endpoint_removed(message)
            case ResendRequested():
                result = notifier.resend(message.delivery, envelope.now)
            case DeliveryDropped():
                result = notifier.dropped(message)
            case EventAcknowledged():
                result = notifier.acknowledged(message)
            case _:
                assert_never(message)
        return result

    return step


class _Notifier:
    def __init__(self, endpoints: EndpointRows, pending: Pending, lanes: Lanes) -> None:
        self._endpoints = EndpointLife(endpoints)
        self._pending = pending
        self._lanes = lanes

    def fan_out(self, message: Notified, envelope: Envelope) -> Result:
        started: list[Delivery] = []
        offered: list[Delivery] = []
        superseded: list[Delivery] = []
        for endpoint in self._endpoints.of(message.merchant_id):
            if endpoint.endpoint_id != message.about:
                fanned = fan_out(message, endpoint, envelope, self._pending)
                started += fanned.started
                superseded += fanned.superseded
                offered += fanned.pending
        # A row that the log does not take is taken back with all others: nothing is sent of them.
        for delivery in offered:
            self._lanes.offer(delivery)
        result = _started(message.merchant_id, started, "notified")
        if not superseded and message.about is None:
            return result
        dropped = (drop(row, envelope.now, DropReason.SUPERSEDED) for row in superseded)
        records = (
            *result.records,
            *(record(NOTIFICATIONS, message.merchant_id, one) for one in dropped),
        )
        if message.about is not None:
            # Of an invoice the step before has told history; of an endpoint nobody has yet.
            told = EndpointTold(
                merchant_id=message.merchant_id, notifications=message.notifications
            )
            records = (record(HISTORY, message.merchant_id, told), *records)
        return replace(result, records=records)

    def resend(self, delivery: Delivery, now: datetime) -> Result:
        """Start a delivery again; one whose endpoint was removed meanwhile ends at once."""
        if self._endpoints.get(delivery.merchant_id, delivery.endpoint_id) is None:
            ended = self.dropped(drop(delivery, now, DropReason.ENDPOINT_REMOVED))
            return replace(ended, records=(*ended.records, *end_of_replay(delivery, now)))
        under_way = self._pending.get(delivery.key)
        if under_way is None or under_way.round < delivery.round:
            under_way = placed(delivery, under_way, self._pending)
            self._pending.put(under_way)
        self._lanes.offer(under_way)
        return _started(delivery.merchant_id, [under_way], "resend")

    def attempted(self, message: AttemptMade, envelope: Envelope) -> Result:
        """Decide what follows an attempt; a replay says the same again and changes nothing."""
        row = under_way = self._row(message)
        if row is None:
            self._lanes.withdraw(message.delivery_id)  # it is over, whatever they still hold of it
        elif row.round != message.round:
            row = None
        verdict = verdict_of(message, under_way, self._endpoints.of(message.merchant_id))
        more = self._heard(message, row, envelope)
        is_new = row is not None and row.attempts < message.attempt.number
        match verdict:
            case Delivered():
                # What was delivered is not sent again, whichever of two tries it was.
                self._finish(row)
                return self._said(message, DeliveryStatus.DELIVERED, None, more)
            case TellAgain():
                if row is not None:
                    tell_again(row, verdict.due_at, self._pending, self._lanes)
                return self._said(message, DeliveryStatus.DELIVERED, verdict.due_at, more)
            case GivenUp():
                self._finish(row if is_new else None)
                return self._said(message, DeliveryStatus.FAILED, None, more)
            case RetryAt() | EndpointGone():
                if row is not None and is_new:
                    self._retry(row, message, verdict)
                return self._said(message, DeliveryStatus.RETRYING, verdict.due_at, more)
            case _:
                assert_never(verdict)

    def attempts(self, message: AttemptsMade, envelope: Envelope) -> Result:
        """What follows each of them, one after the other, as if each had come alone."""
        results = [self.attempted(one, envelope) for one in message.attempts]
        facts: dict[str, object] = {"attempts": len(results)}
        if len({one.merchant_id for one in message.attempts}) == 1:
            facts["merchant_id"] = message.merchant_id
        records = tuple(each for result in results for each in result.records)
        return Result(records=records, outcome=DeliveryStatus.DELIVERED, facts=facts)

    def acknowledged(self, message: EventAcknowledged) -> Result:
        return acknowledged(message, self._endpoints.of(message.merchant_id), self._pending)

    def _row(self, message: AttemptMade | DeliveryDropped) -> Delivery | None:
        if message.endpoint_id is None or message.created_at is None:
            return None
        made = delivery_key(message.endpoint_id, message.created_at, message.delivery_id)
        return self._pending.get(made)

    def _finish(self, row: Delivery | None) -> None:
        """A delivery is pending no more; the one that waited for it may go."""
        if row is None:
            return
        follower = self._pending.get(row.then) if row.then else None
        before = self._pending.get(row.after) if row.after else None
        if follower is not None and before is not None:
            # The row closes up: whoever came after this one comes after the one before.
            self._pending.put(replace(before, then=follower.key))
            self._pending.put(replace(follower, after=before.key))
        self._pending.remove(row)
        self._lanes.withdraw(row.delivery_id)
        if follower is not None and before is None:
            self._lanes.follow(follower, row.delivery_id)

    def _retry(self, row: Delivery, message: AttemptMade, verdict: RetryAt | EndpointGone) -> None:
        waits = replace(
            row,
            attempts=message.attempt.number,
            first_attempt_at=message.first_attempt_at,
            due_at=verdict.due_at,
        )
        self._pending.put(waits)
        self._lanes.offer(waits)

    def _said(
        self,
        message: AttemptMade,
        status: DeliveryStatus,
        due_at: datetime | None,
        more: tuple[Record, ...],
    ) -> Result:
        said = DeliveryAttempted(
            merchant_id=message.merchant_id,
            delivery_id=message.delivery_id,
            round=message.round,
            status=status,
            at=message.attempt.at,
            attempt=message.attempt,
            next_attempt_at=due_at,
            endpoint_id=message.endpoint_id,
            created_at=message.created_at,
            sequence=message.sequence,
            event_id=message.event_id,
            is_unacknowledged=is_unacknowledged(message.attempt, message.ack_seconds),
        )
        facts = {
            "merchant_id": message.merchant_id,
            "delivery_id": message.delivery_id,
            "attempt": message.attempt.number,
            "status_code": message.attempt.status_code,
            "error": message.attempt.error,
        }
        records = (record(HISTORY, message.merchant_id, said), *more)
        return Result(records=records, outcome=status, facts=facts)

    def _heard(
        self, message: AttemptMade, row: Delivery | None, envelope: Envelope
    ) -> tuple[Record, ...]:
        """What the attempt says of its endpoint; a 410 for what is over says nothing."""
        endpoint_id = message.endpoint_id
        if endpoint_id is None or (row is None and message.attempt.status_code == GONE):
            return ()
        changed, records = self._endpoints.heard(
            message.merchant_id, endpoint_id, message.attempt, envelope
        )
        if changed is not None:
            self._lanes.set_endpoint(changed)
        return records

    def endpoint_set(self, message: EndpointSet) -> Result:
        endpoint = self._endpoints.set(message.endpoint)
        self._lanes.set_endpoint(endpoint)
        facts = {"merchant_id": endpoint.merchant_id, "endpoint_id": endpoint.endpoint_id}
        return Result(outcome=f"endpoint_{endpoint.effective_status}", facts=facts)

    def endpoint_removed(self, message: EndpointRemoved) -> Result:
        """What is pending for the endpoint is dropped, each by an event of its own.

        A row leaves the table only with the event that says all about its end, so that a replay
        of either event loses no word of it.
        """
        self._endpoints.remove(message.merchant_id, message.endpoint_id)
        self._lanes.remove_endpoint(message.endpoint_id)
        facts = {"merchant_id": message.merchant_id, "endpoint_id": message.endpoint_id}
        rows = self._pending.of(message.endpoint_id, limit=DROPS_PER_STEP_MAX)
        if rows:
            drops = (drop(row, message.at, DropReason.ENDPOINT_REMOVED) for row in rows)
            # Read when these are gone, the message says the same again for the rest.
            said = (*drops, message)
            records = tuple(record(NOTIFICATIONS, message.merchant_id, each) for each in said)
            return Result(records=records, outcome="endpoint_emptied", facts=facts)
        self._pending.forget_counter(message.endpoint_id)
        # The API removes what it wrote; this is the one row of the directory that we write.
        gone = Record(topic=DIRECTORY.name, key=health_key(message.endpoint_id).encode(), value=b"")
        return Result(records=(gone,), outcome="endpoint_removed", facts=facts)

    def dropped(self, message: DeliveryDropped) -> Result:
        """A delivery that is not worth making, or can not be made any more, ends visibly."""
        row = self._row(message)
        self._finish(row if row is not None and row.round <= message.round else None)
        said = DeliveryAttempted(
            merchant_id=message.merchant_id,
            delivery_id=message.delivery_id,
            round=message.round,
            status=ENDS_AS[message.reason],
            at=message.at,
            reason=message.reason,
            endpoint_id=message.endpoint_id,
            created_at=message.created_at,
            sequence=message.sequence,
        )
        facts = {"merchant_id": message.merchant_id, "delivery_id": message.delivery_id}
        records = (record(HISTORY, message.merchant_id, said),)
        return Result(records=records, outcome=said.status, facts=facts)


def _started(merchant_id: MerchantId, started: Sequence[Delivery], outcome: str) -> Result:
    facts = {"merchant_id": merchant_id, "deliveries": len(started)}
    if not started:
        return Result(outcome="nobody_to_tell", facts=facts)
    # The bodies are in history already, with the events.
    rows = tuple(replace(delivery, body="") for delivery in started)
    said = DeliveriesStarted(merchant_id=merchant_id, deliveries=rows)
    return Result(records=(record(HISTORY, merchant_id, said),), outcome=outcome, facts=facts)
