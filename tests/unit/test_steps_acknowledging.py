"""The notifying step: what was received and not acted on is told again, and held up by nobody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agents.step import Result
from streams.domain.acknowledging import ACK_TELLINGS_MAX
from streams.domain.delivery import ATTEMPTS_MAX, Attempt, Delivery, DeliveryStatus
from streams.domain.ids import EndpointId
from streams.happenings import AcknowledgementTaken, DeliveriesStarted, DeliveryAttempted
from streams.messages import (
    DeliveryDropped,
    DropReason,
    EndpointRemoved,
    EventAcknowledged,
    ResendRequested,
)
from tests.builders import ENDPOINT, MERCHANT, NOW, an_attempt, an_endpoint
from tests.notifying_desk import BAD, OK, OTHER, TOLD, Desk, ended, made
from tests.step_builders import said
from tests.unit.test_steps_order import dropped, notified, rows

ASKING = replace(an_endpoint(), ack_required=True, ack_seconds=600)
LATER = NOW + timedelta(seconds=600)
EVENT = TOLD.notifications[0]


def acknowledged(**changes: object) -> EventAcknowledged:
    message = EventAcknowledged(
        merchant_id=MERCHANT, event_id=EVENT.notification_id, told_at=EVENT.at, at=NOW
    )
    return replace(message, **changes)  # type: ignore[arg-type]  # the caller names members


def answered(desk: Desk, attempt: Attempt = OK, *, ack_seconds: int = 600) -> Result:
    """Make the one attempt that is due."""
    (row,) = rows(desk)
    return desk.read(made(attempt, delivery=row, ack_seconds=ack_seconds))


@pytest.fixture
def desk() -> Desk:
    """A desk with one endpoint that has to acknowledge, and one delivery under way."""
    desk = Desk(ASKING)
    desk.read(TOLD)
    return desk


# --- told again


def test_an_unacknowledged_2xx_is_told_again_with_the_same_id_number_and_body(desk: Desk) -> None:
    (first,) = rows(desk)

    result = answered(desk)

    (waits,) = desk.pending
    assert waits == replace(first, round=1, tellings=1, due_at=LATER)
    message = ended(result)
    assert (message.status, message.next_attempt_at) == (DeliveryStatus.DELIVERED, LATER)
    assert (message.is_unacknowledged, message.event_id) == (True, EVENT.notification_id)


def test_after_some_tellings_it_stays_delivered_and_unacknowledged(desk: Desk) -> None:
    results = [answered(desk) for _ in range(ACK_TELLINGS_MAX)]

    assert desk.pending == []
    assert [ended(each).round for each in results] == list(range(ACK_TELLINGS_MAX))
    assert {ended(each).status for each in results} == {DeliveryStatus.DELIVERED}
    assert (ended(results[-1]).next_attempt_at, ended(results[-1]).is_unacknowledged) == (
        None,
        True,
    )


def test_an_answer_that_acknowledges_ends_it(desk: Desk) -> None:
    answered(desk)

    result = answered(desk, an_attempt(released_at=NOW))

    assert desk.pending == []
    assert (ended(result).round, ended(result).is_unacknowledged) == (1, False)


def test_a_later_telling_is_retried_and_in_the_end_stays_delivered(desk: Desk) -> None:
    answered(desk)

    assert ended(answered(desk, BAD)).status is DeliveryStatus.RETRYING
    (waits,) = desk.pending
    assert (waits.round, waits.attempts, waits.tellings) == (1, 1, 1)
    result = answered(desk, replace(BAD, number=ATTEMPTS_MAX))

    assert desk.pending == []
    assert ended(result).status is DeliveryStatus.DELIVERED


def test_a_replayed_attempt_says_the_same_again_and_changes_nothing(desk: Desk) -> None:
    (first,) = rows(desk)
    attempt = made(OK, delivery=first, ack_seconds=600)
    before = desk.read(attempt)
    waiting = desk.pending

    again = desk.read(attempt)

    assert again.records == before.records
    assert desk.pending == waiting


def test_a_replayed_notification_does_not_start_what_is_told_again(desk: Desk) -> None:
    answered(desk)
    waiting = desk.pending

    (started,) = said(desk.read(TOLD).records, DeliveriesStarted)

    assert [(row.round, row.sequence) for row in started.deliveries] == [(0, 0)]
    assert desk.pending == waiting


# --- beside the order of its invoice


def a_row() -> tuple[Desk, list[Delivery]]:
    desk = Desk(ASKING)
    for number in (1, 2, 3):
        desk.read(notified(number, earlier=number - 1))
    return desk, rows(desk)


def test_the_next_of_its_invoice_goes_on_at_the_2xx() -> None:
    desk, (first, second, _) = a_row()

    desk.read(made(OK, delivery=first, ack_seconds=600))

    waits, goes, last = rows(desk)
    assert (waits.tellings, waits.after, waits.then) == (1, "", "")
    assert (goes.after, goes.then, last.after) == ("", last.key, second.key)
    assert desk.lanes.offered[first.delivery_id] == waits
    assert desk.lanes.offered[second.delivery_id] == goes


def test_one_in_the_middle_of_a_row_leaves_it_closed() -> None:
    desk, (first, second, third) = a_row()
    desk.lanes.offered.clear()

    desk.read(made(OK, delivery=second, ack_seconds=600))

    before, waits, after = rows(desk)
    assert (before.then, after.after) == (third.key, first.key)
    assert (waits.after, waits.then) == ("", "")
    assert set(desk.lanes.offered) == {second.delivery_id}


def test_what_is_told_later_of_the_invoice_does_not_wait_and_replaces_nothing() -> None:
    desk = Desk(replace(ASKING, supersede=True))
    desk.read(notified(1))
    desk.read(made(OK, delivery=rows(desk)[0], ack_seconds=600))

    result = desk.read(notified(2, earlier=1))

    waits, new = rows(desk)
    assert (waits.then, new.after) == ("", "")
    assert said(result.records, DeliveryDropped) == []


# --- acknowledged by a call


def test_an_acknowledgement_ends_what_waits_by_an_event_of_its_own(desk: Desk) -> None:
    answered(desk)
    (waits,) = desk.pending

    result = desk.read(acknowledged(released_at=NOW))

    (drop,) = said(result.records, DeliveryDropped)
    assert said(result.records, AcknowledgementTaken) == [
        AcknowledgementTaken(
            merchant_id=MERCHANT,
            event_id=EVENT.notification_id,
            told_at=EVENT.at,
            at=NOW,
            released_at=NOW,
            asking_ids=(ENDPOINT,),
        )
    ]
    assert (drop.reason, drop.round) == (DropReason.TOLD, waits.round)
    end = ended(desk.read(drop))
    assert desk.pending == []
    assert (end.status, end.round, end.next_attempt_at) == (DeliveryStatus.DELIVERED, 1, None)


def test_a_replayed_acknowledgement_says_the_same_again(desk: Desk) -> None:
    answered(desk)

    first = desk.read(acknowledged())

    assert desk.read(acknowledged()).records == first.records


def test_a_telling_that_was_under_way_is_the_last_one(desk: Desk) -> None:
    answered(desk)
    (waits,) = desk.pending
    desk.read(acknowledged())

    result = desk.read(made(OK, delivery=waits, ack_seconds=600))

    assert rows(desk) == []
    assert ended(result).next_attempt_at is None


def test_an_acknowledgement_before_the_2xx_makes_it_enough(desk: Desk) -> None:
    assert said(desk.read(acknowledged()).records, DeliveryDropped) == []

    assert ended(answered(desk)).next_attempt_at is None

    assert rows(desk) == []


def test_an_acknowledgement_for_one_endpoint_leaves_the_others_waiting() -> None:
    desk = Desk(ASKING, replace(ASKING, endpoint_id=OTHER))
    desk.read(TOLD)
    for row in rows(desk):
        desk.read(made(OK, delivery=row, ack_seconds=600))

    result = desk.read(acknowledged(endpoint_id=OTHER))
    everyone = desk.read(acknowledged())

    assert [drop.endpoint_id for drop in said(result.records, DeliveryDropped)] == [OTHER]
    ends = {drop.endpoint_id for drop in said(everyone.records, DeliveryDropped)}
    assert ends == {ENDPOINT, OTHER}


def test_an_event_without_a_delivery_is_acknowledged_too() -> None:
    result = Desk().read(acknowledged())

    (taken,) = said(result.records, AcknowledgementTaken)
    assert (taken.asking_ids, result.outcome) == ((), "acknowledged")


# --- other ends


def test_what_is_told_again_stays_delivered_when_its_endpoint_is_removed(desk: Desk) -> None:
    answered(desk)

    result = desk.read(EndpointRemoved(merchant_id=MERCHANT, endpoint_id=ENDPOINT, at=NOW))

    (drop,) = said(result.records, DeliveryDropped)
    assert ended(desk.read(drop)).status is DeliveryStatus.DELIVERED


def test_an_attempt_at_an_endpoint_that_was_removed_meanwhile_is_the_last_one(desk: Desk) -> None:
    (first,) = rows(desk)
    desk.read(EndpointRemoved(merchant_id=MERCHANT, endpoint_id=ENDPOINT, at=NOW))

    result = desk.read(made(OK, delivery=first, ack_seconds=600))

    assert (rows(desk), ended(result).next_attempt_at) == ([], None)


def test_nobody_is_told_again_of_what_was_superseded_in_mid_attempt() -> None:
    desk, (first, *_) = a_row()
    desk.read(dropped(first))

    result = desk.read(made(OK, delivery=first, ack_seconds=600))

    assert (ended(result).next_attempt_at, ended(result).is_unacknowledged) == (None, True)


def test_a_resend_takes_the_place_of_what_waits(desk: Desk) -> None:
    (first,) = rows(desk)
    answered(desk)

    desk.read(ResendRequested(delivery=replace(first, round=2)))

    assert desk.pending == [replace(first, round=2, had_ended=True)]


def test_a_resend_keeps_an_acknowledgement_that_history_did_not_know_yet(desk: Desk) -> None:
    (first,) = rows(desk)
    answered(desk)
    desk.read(acknowledged())

    desk.read(ResendRequested(delivery=replace(first, round=2)))

    assert rows(desk) == [replace(first, round=2, acknowledged=True, had_ended=True)]


def test_names_of_others_endpoints_are_nobodys(desk: Desk) -> None:
    answered(desk)

    result = desk.read(acknowledged(endpoint_id=EndpointId("ep_elsewhere")))

    assert said(result.records, DeliveryDropped) == []
    assert said(result.records, DeliveryAttempted) == []
