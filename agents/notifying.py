"""The notifying step: from a notification to deliveries, and from each attempt to what follows."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol, assert_never

from agents.endpoint_life import EndpointLife, EndpointRows
from agents.step import Envelope, Result, Step, record
from streams.codecs import decode_notification_message
from streams.domain.delivery import (
    GONE,
    Delivered,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointGone,
    GivenUp,
    RetryAt,
    after_attempt,
    wants,
)
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, delivery_id
from streams.happenings import (
    DeliveriesStarted,
    DeliveryAttempted,
    EndpointTold,
)
from streams.messages import (
    AttemptMade,
    DeliveryDropped,
    EndpointRemoved,
    EndpointSet,
    Notified,
    ResendRequested,
    health_key,
)
from streams.ports import Record
from streams.topics import DIRECTORY, HISTORY, NOTIFICATIONS

DeliveryRows = MutableMapping[bytes, Delivery]


class Lanes(Protocol):
    """Where deliveries are made, outside the agents; every call may come twice."""

    def offer(self, delivery: Delivery) -> None: ...
    def withdraw(self, delivery_id: DeliveryId) -> None: ...
    def set_endpoint(self, endpoint: Endpoint) -> None: ...
    def remove_endpoint(self, endpoint_id: EndpointId) -> None: ...


def notifying(*, endpoints: EndpointRows, deliveries: DeliveryRows, lanes: Lanes) -> Step:
    """Build the step; it alone writes the endpoints and deliveries tables."""
    notifier = _Notifier(endpoints, deliveries, lanes)

    def step(envelope: Envelope) -> Result:
        message = decode_notification_message(envelope.value)
        match message:
            case Notified():
                return notifier.fan_out(message, envelope)
            case AttemptMade():
                return notifier.attempted(message)
            case EndpointSet():
                return notifier.endpoint_set(message)
            case EndpointRemoved():
                return notifier.endpoint_removed(message)
            case ResendRequested():
                return notifier.resend(message.delivery, envelope.now)
            case DeliveryDropped():
                return notifier.dropped(message)
            case _:
                assert_never(message)

    return step


class _Notifier:
    def __init__(self, endpoints: EndpointRows, deliveries: DeliveryRows, lanes: Lanes) -> None:
        self._endpoints = EndpointLife(endpoints)
        self._deliveries = deliveries
        self._lanes = lanes

    def fan_out(self, message: Notified, envelope: Envelope) -> Result:
        endpoints = self._endpoints.of(message.merchant_id)
        started = tuple(
            Delivery(
                delivery_id=delivery_id(notification.notification_id, endpoint.endpoint_id),
                endpoint_id=endpoint.endpoint_id,
                merchant_id=message.merchant_id,
                notification_id=notification.notification_id,
                notification_type=notification.type,
                body=notification.body,
                created_at=notification.at,  # as a replay finds it, unlike the time of this record
                due_at=envelope.now,
                traceparent=envelope.traceparent,
            )
            for notification in message.notifications
            for endpoint in endpoints
            if wants(endpoint.types, notification.type) and endpoint.endpoint_id != message.about
        )
        result = self.start(started, message.merchant_id, "notified")
        if message.about is None:
            return result
        # Of an invoice the step before has told history; of an endpoint nobody has yet.
        told = EndpointTold(merchant_id=message.merchant_id, notifications=message.notifications)
        history = record(HISTORY, message.merchant_id, told)
        return replace(result, records=(history, *result.records))

    def start(self, asked: tuple[Delivery, ...], merchant_id: MerchantId, outcome: str) -> Result:
        """Start deliveries; one that is under way already goes on as it is."""
        started: list[Delivery] = []
        for delivery in asked:
            key = delivery.delivery_id.encode()
            under_way = self._deliveries.get(key)
            if under_way is None or under_way.round < delivery.round:
                self._deliveries[key] = under_way = delivery
            started.append(under_way)
            self._lanes.offer(under_way)
        facts = {"merchant_id": merchant_id, "deliveries": len(started)}
        if not started:
            return Result(outcome="nobody_to_tell", facts=facts)
        # The bodies are in history already, with the events.
        rows = tuple(replace(delivery, body="") for delivery in started)
        said = DeliveriesStarted(merchant_id=merchant_id, deliveries=rows)
        records = (record(HISTORY, merchant_id, said),)
        return Result(records=records, outcome=outcome, facts=facts)

    def resend(self, delivery: Delivery, now: datetime) -> Result:
        """Start a delivery again; one whose endpoint was removed meanwhile ends at once."""
        if self._endpoints.get(delivery.merchant_id, delivery.endpoint_id) is None:
            return self.dropped(_drop(delivery, now))
        return self.start((delivery,), delivery.merchant_id, "resend")

    def attempted(self, message: AttemptMade) -> Result:
        """Decide what follows an attempt; a replay says the same again and changes nothing."""
        row = self._deliveries.get(message.delivery_id.encode())
        if row is not None and row.round != message.round:
            row = None
        verdict = after_attempt(
            message.attempt,
            attempts_made=message.attempt.number,
            first_attempt_at=message.first_attempt_at,
            fraction=message.fraction,
            retry_seconds=message.retry_seconds,
        )
        more = self._heard(message, row)
        is_new = row is not None and row.attempts < message.attempt.number
        match verdict:
            case Delivered():
                # What was delivered is not sent again, whichever of two tries it was.
                self._finish(message.delivery_id, is_due=row is not None)
                return self._said(message, DeliveryStatus.DELIVERED, None, more)
            case GivenUp():
                self._finish(message.delivery_id, is_due=is_new)
                return self._said(message, DeliveryStatus.FAILED, None, more)
            case RetryAt() | EndpointGone():
                if row is not None and is_new:
                    self._retry(row, message, verdict)
                return self._said(message, DeliveryStatus.RETRYING, verdict.due_at, more)
            case _:
                assert_never(verdict)

    def _finish(self, delivery: DeliveryId, *, is_due: bool) -> None:
        if is_due:
            del self._deliveries[delivery.encode()]
            self._lanes.withdraw(delivery)

    def _retry(self, row: Delivery, message: AttemptMade, verdict: RetryAt | EndpointGone) -> None:
        waits = replace(
            row,
            attempts=message.attempt.number,
            first_attempt_at=message.first_attempt_at,
            due_at=verdict.due_at,
        )
        self._deliveries[row.delivery_id.encode()] = waits
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

    def _heard(self, message: AttemptMade, row: Delivery | None) -> tuple[Record, ...]:
        """What the attempt says of its endpoint; a 410 for what is over says nothing."""
        endpoint_id = message.endpoint_id or (row.endpoint_id if row else None)
        if endpoint_id is None or (row is None and message.attempt.status_code == GONE):
            return ()
        changed, records = self._endpoints.heard(message.merchant_id, endpoint_id, message.attempt)
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
        records = tuple(
            record(NOTIFICATIONS, row.merchant_id, _drop(row, message.at))
            for row in list(self._deliveries.values())
            if row.endpoint_id == message.endpoint_id
        )
        # The API removes what it wrote; this is the one row of the directory that we write.
        gone = Record(topic=DIRECTORY.name, key=health_key(message.endpoint_id).encode(), value=b"")
        facts = {"merchant_id": message.merchant_id, "endpoint_id": message.endpoint_id}
        return Result(records=(*records, gone), outcome="endpoint_removed", facts=facts)

    def dropped(self, message: DeliveryDropped) -> Result:
        """A delivery whose endpoint was removed ends as failed, visibly."""
        row = self._deliveries.get(message.delivery_id.encode())
        self._finish(message.delivery_id, is_due=row is not None and row.round <= message.round)
        said = DeliveryAttempted(
            merchant_id=message.merchant_id,
            delivery_id=message.delivery_id,
            round=message.round,
            status=DeliveryStatus.FAILED,
            at=message.at,
            reason="endpoint_removed",
            endpoint_id=message.endpoint_id,
            created_at=message.created_at,
        )
        facts = {"merchant_id": message.merchant_id, "delivery_id": message.delivery_id}
        records = (record(HISTORY, message.merchant_id, said),)
        return Result(records=records, outcome=DeliveryStatus.FAILED, facts=facts)


def _drop(delivery: Delivery, at: datetime) -> DeliveryDropped:
    return DeliveryDropped(
        merchant_id=delivery.merchant_id,
        delivery_id=delivery.delivery_id,
        round=delivery.round,
        at=at,
        endpoint_id=delivery.endpoint_id,
        created_at=delivery.created_at,
    )
