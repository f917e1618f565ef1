"""What each message of history and quarantine means as rows: pure, and the same in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import orjson

from connectors.history import acknowledging
from connectors.history.projecting_replays import REPLAY_PROJECTIONS
from connectors.history.rows import Row, Rows
from connectors.history.sql import micros, whole_milliseconds
from connectors.history.standing import standing_after, standing_at_start
from streams.codecs import encode
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import MerchantId, NoticeId
from streams.domain.notification import Notification
from streams.domain.settlement import Settlement
from streams.happenings import (
    AcknowledgementTaken,
    DeliveriesStarted,
    DeliveryAttempted,
    EndpointTold,
    InvoiceChanged,
    NoticeAccepted,
    NoticeHeld,
    NoticeRepeated,
    Quarantined,
)
from streams.ports import Archived, Place

NOTIFICATIONS_PER_MESSAGE_MAX = 1_024
"""A place in the feed is offset * this + index, one number."""

# A notice's state is that of its greatest precedence, so the order of arrival does not matter:
# matched over all; of the two ways to wait the later decision; both over merely accepted.
_DECIDED = 1 << 53
_MATCHED = 2 << 53


def project(batch: Sequence[Archived]) -> Rows:
    """The rows that a batch amounts to."""
    rows = Rows()
    furthest: dict[tuple[str, int], tuple[int, int]] = {}
    for archived in batch:
        place = archived.place
        _PROJECTIONS[type(archived.message)](rows, archived)
        reached = place.offset + 1, micros(archived.recorded_at)
        name = place.topic, place.partition
        furthest[name] = max(reached, furthest.get(name, reached))
    rows.archived.extend((*name, *reached) for name, reached in furthest.items())
    return rows


def _accepted(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, NoticeAccepted)
    rows.notices.append(
        _notice_row(
            message.notice_id,
            message.merchant_id,
            state="accepted" if message.about_money else "noted",
            precedence=0,
            heard=True,
            at=message.received_at,
        )
    )
    rows.raw_notices.append((message.notice_id, _text(message)))


def _held(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, NoticeHeld)
    notice_id = message.notice.notice_id
    decided_at = message.settlement.decided_at
    rows.notices.append(
        _notice_row(
            notice_id,
            message.merchant_id,
            state="unmatched",
            precedence=_DECIDED + micros(decided_at) * 2,
            received_at=message.received_at,
            at=decided_at,
        )
    )
    # What was told is in the feed; keeping it here as well would double every body.
    rows.held_notices.append((notice_id, _text(replace(message, notifications=()))))
    rows.settlements.append(_settlement_row(message.settlement))
    _tell(rows, archived, message.notifications)


def _changed(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, InvoiceChanged)
    rows.invoices.append(
        (
            message.invoice_id,
            message.merchant_id,
            message.invoice_number,
            message.version,
            message.status,
            _created_us(message),
            message.shown,
        )
    )
    if message.notice is not None:
        rows.notices.append(
            _notice_row(
                message.notice.notice_id,
                message.merchant_id,
                state="matched",
                precedence=_MATCHED,
                at=message.at,
            )
        )
    if message.settlement is not None:
        rows.settlements.append(_settlement_row(message.settlement))
    if message.request_id is not None:
        rows.commands.append((message.request_id, message.refused or "", micros(message.at)))
    _tell(rows, archived, message.notifications)


def _created_us(message: InvoiceChanged) -> int:
    """When the invoice was registered, in whole milliseconds, as the invoice itself shows it.

    Only a row that no registration made here needs it: after a rebuild the list keeps its order.
    """
    shown = orjson.loads(message.shown)
    created_at = shown.get("created_at") if isinstance(shown, dict) else None
    moment = datetime.fromisoformat(created_at) if isinstance(created_at, str) else message.at
    return whole_milliseconds(moment)


def _repeated(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, NoticeRepeated)
    place = archived.place
    rows.repeats.append((message.notice_id, place.partition, place.offset, micros(message.at)))


def _quarantined(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, Quarantined)
    # What has no notice id counts as a notice of its own: it was acknowledged to a channel. No
    # id of a notice has a colon.
    notice_id = message.notice_id or NoticeId(f"quarantine:{message.quarantine_id}")
    rows.notices.append(
        _notice_row(
            notice_id,
            message.merchant_id or MerchantId(""),
            state="quarantined",
            precedence=_DECIDED + micros(message.at) * 2 + 1,
            heard=True,
            at=message.at,
        )
    )
    at_us = micros(message.at)
    rows.quarantine.append((message.quarantine_id, notice_id, at_us, None, _text(message)))


def _started(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, DeliveriesStarted)
    for delivery in message.deliveries:
        rows.deliveries.append(
            (
                delivery.delivery_id,
                delivery.merchant_id,
                delivery.endpoint_id,
                delivery.notification_id,
                delivery.notification_type,
                micros(delivery.created_at),
                1,
                DeliveryStatus.PENDING,
                standing_at_start(delivery.round),
                delivery.round,
                micros(delivery.due_at),
                micros(archived.recorded_at),
                delivery.sequence,
            )
        )
        if delivery.replay_id is not None:
            rows.rounds.append((delivery.delivery_id, delivery.round, delivery.replay_id))


def _attempted(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, DeliveryAttempted)
    next_us = micros(message.next_attempt_at) if message.next_attempt_at else None
    # Without an endpoint the time is of no use either; only its start says of which event it is.
    made_us = micros(message.created_at or message.at)
    known = message.delivery_id, message.merchant_id, message.endpoint_id or "", "", "", made_us, 0
    rows.deliveries.append(
        (
            *(*known, message.status, standing_after(message), message.round),
            *(next_us, micros(message.at), message.sequence),
        )
    )
    if message.attempt is not None:
        key = message.delivery_id, message.round, message.attempt.number
        rows.attempts.append((*key, _text(message)))
    rows.acknowledgements.extend(acknowledging.by_answer(message))
    rows.unacknowledged.extend(acknowledging.waits(message))


def _acknowledged(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, AcknowledgementTaken)
    rows.acknowledgements.append(acknowledging.by_call(message))


def _endpoint_told(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, EndpointTold)
    _tell(rows, archived, message.notifications)


def _tell(rows: Rows, archived: Archived, notifications: Sequence[Notification]) -> None:
    assert len(notifications) <= NOTIFICATIONS_PER_MESSAGE_MAX
    recorded_us = micros(archived.recorded_at)
    for index, told in enumerate(notifications):
        rows.events.append(
            (
                told.notification_id,
                told.merchant_id,
                feed_position(archived.place, index),
                told.type,
                told.invoice_id,
                recorded_us,
                told.body,
            )
        )


def feed_position(place: Place, index: int) -> int:
    """The place of a notification in its merchant's order."""
    return place.offset * NOTIFICATIONS_PER_MESSAGE_MAX + index


def _notice_row(
    notice_id: NoticeId,
    merchant_id: MerchantId,
    *,
    state: str,
    precedence: int,
    at: datetime,
    heard: bool = False,
    received_at: datetime | None = None,
) -> Row:
    received_us = micros(received_at or at)
    return notice_id, merchant_id, state, precedence, int(heard), received_us, micros(at)


def _settlement_row(settlement: Settlement) -> Row:
    return (
        settlement.notice_id,
        settlement.invoice_id or "",
        settlement.outcome,
        micros(settlement.decided_at),
        _text(settlement),
    )


def _text(message: object) -> str:
    return encode(message).decode()


_PROJECTIONS: dict[type, Callable[[Rows, Archived], None]] = {
    NoticeAccepted: _accepted,
    NoticeHeld: _held,
    NoticeRepeated: _repeated,
    InvoiceChanged: _changed,
    DeliveriesStarted: _started,
    DeliveryAttempted: _attempted,
    EndpointTold: _endpoint_told,
    AcknowledgementTaken: _acknowledged,
    Quarantined: _quarantined,
    **REPLAY_PROJECTIONS,
}
