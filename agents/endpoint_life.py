"""A merchant's endpoints as the notifying step holds them, and what their attempts make of them."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import datetime

from agents.step import Envelope, record
from streams.domain.delivery import STOPPED_AS, Attempt, Endpoint, EndpointStatus
from streams.domain.health import StatusReason, Turn
from streams.domain.ids import EndpointId, MerchantId, notification_id
from streams.domain.notification import Notification, NotificationType
from streams.messages import HealthSet, Notified, health_key
from streams.payloads import endpoint_data, webhook_body
from streams.ports import Record
from streams.topics import DIRECTORY, NOTIFICATIONS

STOPPED_BY = {Turn.PAUSED: StatusReason.FAILING, Turn.GONE: StatusReason.GONE}

EndpointRows = MutableMapping[bytes, tuple[Endpoint, ...]]


class EndpointLife:
    """All endpoints of a merchant are one row; their own records are the API's to write.

    What the attempts say is kept beside what a person wants, here and in the directory, so that
    neither takes the other's place whichever is read first.
    """

    def __init__(self, rows: EndpointRows) -> None:
        self._rows = rows

    def of(self, merchant_id: MerchantId) -> tuple[Endpoint, ...]:
        """All of a merchant's endpoints."""
        return self._rows.get(merchant_id.encode(), ())

    def get(self, merchant_id: MerchantId, endpoint_id: EndpointId) -> Endpoint | None:
        """One of a merchant's endpoints."""
        known = self.of(merchant_id)
        return next((one for one in known if one.endpoint_id == endpoint_id), None)

    def set(self, endpoint: Endpoint) -> Endpoint:
        """Take over what a person wants; gives the endpoint with what is known of it."""
        known = self.get(endpoint.merchant_id, endpoint.endpoint_id)
        merged = endpoint.with_health(known.health) if known is not None else endpoint
        self._put(merged)
        return merged

    def remove(self, merchant_id: MerchantId, endpoint_id: EndpointId) -> None:
        """Forget an endpoint."""
        self._rows[merchant_id.encode()] = self._others(merchant_id, endpoint_id)

    def heard(
        self, merchant_id: MerchantId, endpoint_id: EndpointId, attempt: Attempt, envelope: Envelope
    ) -> tuple[Endpoint | None, tuple[Record, ...]]:
        """The endpoint if the attempt changed what is known of it, and what is to be said of it.

        A replay changes nothing and says the same again.
        """
        known = self.get(merchant_id, endpoint_id)
        if known is None:
            return None, ()
        endpoint = known.heard(attempt)
        records = _said(endpoint, attempt.at, envelope)
        if endpoint is known or endpoint == known:
            return None, records
        self._put(endpoint)
        return endpoint, records

    def _others(self, merchant_id: MerchantId, endpoint_id: EndpointId) -> tuple[Endpoint, ...]:
        return tuple(one for one in self.of(merchant_id) if one.endpoint_id != endpoint_id)

    def _put(self, endpoint: Endpoint) -> None:
        others = self._others(endpoint.merchant_id, endpoint.endpoint_id)
        self._rows[endpoint.merchant_id.encode()] = (*others, endpoint)


def _said(endpoint: Endpoint, at: datetime, envelope: Envelope) -> tuple[Record, ...]:
    turn = endpoint.health.turn_at(at)
    if turn is None:
        return ()
    merchant_id, endpoint_id = endpoint.merchant_id, endpoint.endpoint_id
    health = HealthSet(merchant_id=merchant_id, endpoint_id=endpoint_id, health=endpoint.health)
    known = record(DIRECTORY, health_key(endpoint_id), health)
    if turn is Turn.RECOVERED:
        return (known,)
    told = (_notification(endpoint, turn, at),)
    notified = Notified(
        merchant_id=merchant_id, notifications=told, about=endpoint_id, source=envelope.origin
    )
    return (known, record(NOTIFICATIONS, merchant_id, notified))


def _notification(endpoint: Endpoint, turn: Turn, at: datetime) -> Notification:
    """Only of what follows from the attempt, never of what a person may change meanwhile."""
    reason = STOPPED_BY.get(turn)
    kind = NotificationType.ENDPOINT_DISABLED if reason else NotificationType.ENDPOINT_FAILING
    data = endpoint_data(
        endpoint.endpoint_id,
        STOPPED_AS[reason] if reason else EndpointStatus.ENABLED,
        reason,
        failing_since=None if turn is Turn.GONE else endpoint.health.failing_since,
    )
    return Notification(
        notification_id=notification_id(f"{endpoint.endpoint_id} {at.isoformat()}", kind),
        merchant_id=endpoint.merchant_id,
        type=kind,
        at=at,
        body=webhook_body(kind, at=at, data=data),
    )
