"""The notifying step: who is told, what follows an attempt, and how a delivery ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from streams.domain.delivery import (
    ATTEMPTS_MAX,
    Attempt,
    Delivery,
    DeliveryStatus,
    EndpointStatus,
)
from streams.domain.errors import OverLimit
from streams.happenings import DeliveriesStarted
from streams.messages import ResendRequested
from tests.builders import (
    MERCHANT,
    NOW,
    an_endpoint,
)
from tests.notifying_desk import (
    BAD,
    DELIVERY,
    GONE,
    OK,
    OTHER,
    SECOND,
    TOLD,
    Desk,
    ended,
    made,
)
from tests.step_builders import messages, said

ENDED_AT = NOW + timedelta(milliseconds=BAD.duration_ms)


@pytest.fixture
def desk() -> Desk:
    """A desk with one endpoint and one delivery under way."""
    desk = Desk(an_endpoint())
    desk.read(TOLD)
    return desk


# --- fanning out


def test_a_notification_starts_a_delivery_to_each_endpoint_that_wants_it() -> None:
    uninterested = an_endpoint(endpoint=OTHER, types=("invoice.*",))
    desk = Desk(an_endpoint(types=("payment.*",)), uninterested)

    result = desk.read(TOLD, traceparent="00-trace")

    (delivery,) = desk.pending
    assert delivery == replace(DELIVERY, traceparent="00-trace")
    assert messages(result.records) == [
        DeliveriesStarted(merchant_id=MERCHANT, deliveries=(replace(delivery, body=""),))
    ]
    assert result.outcome == "notified"


def test_nothing_is_sent_when_the_log_does_not_take_one_of_the_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk(an_endpoint(), an_endpoint(endpoint=OTHER))
    put = desk.table.put

    def refuse_the_second(delivery: Delivery) -> None:
        if delivery.endpoint_id == OTHER:
            raise OverLimit
        put(delivery)

    monkeypatch.setattr(desk.table, "put", refuse_the_second)

    with pytest.raises(OverLimit):
        desk.read(TOLD)

    assert not desk.lanes.offered, "the unit takes back the row of the first"


def test_without_an_endpoint_nobody_is_told_and_nothing_is_said() -> None:
    result = Desk().read(TOLD)

    assert (result.records, result.outcome) == ((), "nobody_to_tell")


def test_a_disabled_endpoint_keeps_collecting() -> None:
    desk = Desk(an_endpoint(status=EndpointStatus.DISABLED))

    desk.read(TOLD)

    assert desk.pending == [DELIVERY]


def test_a_replayed_notification_leaves_what_is_under_way_as_it_is(desk: Desk) -> None:
    desk.read(made(BAD))
    (waits,) = desk.pending

    result = desk.read(TOLD)

    assert desk.pending == [waits]
    assert messages(result.records) == [
        DeliveriesStarted(merchant_id=MERCHANT, deliveries=(replace(waits, body=""),))
    ]


# --- attempts


def test_a_delivered_one_leaves_the_table_and_stays_in_history(desk: Desk) -> None:
    result = desk.read(made(OK))

    assert desk.pending == []
    message = ended(result)
    assert (message.status, message.attempt) == (DeliveryStatus.DELIVERED, OK)
    assert (message.next_attempt_at, result.outcome) == (None, "delivered")


def test_a_failed_attempt_is_followed_by_another(desk: Desk) -> None:
    result = desk.read(made(BAD))

    due_at = ENDED_AT + 2.5 * SECOND
    assert desk.pending == [replace(DELIVERY, attempts=1, first_attempt_at=NOW, due_at=due_at)]
    message = ended(result)
    assert (message.status, message.next_attempt_at) == (DeliveryStatus.RETRYING, due_at)


def test_when_the_schedule_is_used_up_the_delivery_has_failed(desk: Desk) -> None:
    result = desk.read(made(replace(BAD, number=ATTEMPTS_MAX)))

    assert desk.pending == []
    assert (ended(result).status, ended(result).reason) == (DeliveryStatus.FAILED, None)


def test_an_endpoints_own_schedule_holds_as_it_was_at_the_attempt(desk: Desk) -> None:
    own = (60, 600)

    first = desk.read(replace(made(BAD), retry_seconds=own))
    (waits,) = desk.pending
    last = desk.read(replace(made(replace(BAD, number=3)), retry_seconds=own))

    assert waits.due_at == ENDED_AT + 30 * SECOND
    assert ended(first).next_attempt_at == waits.due_at
    assert (ended(last).status, desk.pending) == (DeliveryStatus.FAILED, [])


@pytest.mark.parametrize("attempt", [OK, BAD, GONE, replace(BAD, number=ATTEMPTS_MAX)])
def test_a_replayed_attempt_says_the_same_again_and_changes_nothing(
    desk: Desk, attempt: Attempt
) -> None:
    first = desk.read(made(attempt))
    rows, endpoints = dict(desk.table.rows), dict(desk.endpoints)

    again = desk.read(made(attempt))

    assert again.records == first.records
    assert (desk.table.rows, desk.endpoints) == (rows, endpoints)
    assert len(desk.pending) == len(rows)


def test_a_replay_of_an_earlier_attempt_does_not_turn_back_the_schedule(desk: Desk) -> None:
    desk.read(made(BAD))
    desk.read(made(replace(BAD, number=2)))
    (waits,) = desk.pending

    desk.read(made(BAD))
    desk.read(made(replace(BAD, number=2)))

    assert waits.attempts == 2
    assert desk.pending == [waits]


def test_a_late_end_of_the_schedule_is_not_the_end_of_a_later_attempt(desk: Desk) -> None:
    desk.read(made(replace(GONE, number=ATTEMPTS_MAX + 1)))

    result = desk.read(made(replace(BAD, number=ATTEMPTS_MAX)))

    assert [row.attempts for row in desk.pending] == [ATTEMPTS_MAX + 1]
    assert ended(result).status is DeliveryStatus.FAILED


def test_of_two_tries_under_one_number_the_success_holds(desk: Desk) -> None:
    desk.read(made(BAD))

    result = desk.read(made(OK))

    assert desk.pending == []
    assert ended(result).status is DeliveryStatus.DELIVERED


@pytest.mark.parametrize("attempt", [OK, BAD, replace(BAD, number=ATTEMPTS_MAX)])
def test_the_lanes_let_go_of_what_is_over_already(desk: Desk, attempt: Attempt) -> None:
    desk.read(made(OK))
    desk.lanes.offer(DELIVERY)

    desk.read(made(replace(attempt, duration_ms=99)))

    assert desk.pending == []


@pytest.mark.parametrize("attempt", [OK, BAD, GONE])
def test_an_attempt_of_an_earlier_round_changes_nothing(desk: Desk, attempt: Attempt) -> None:
    again = replace(DELIVERY, round=1)
    desk.read(ResendRequested(delivery=again))

    result = desk.read(made(attempt))

    assert desk.pending == [again]
    assert ended(result).round == 0


def test_what_is_said_again_of_a_finished_delivery_was_made_at_the_same_time(desk: Desk) -> None:
    """Lists are kept by it: a crash on the way here must not show a delivery twice."""
    desk.read(made(OK))

    again = desk.read(TOLD)

    assert desk.pending == []
    (said_again,) = said(again.records, DeliveriesStarted)
    (delivery,) = said_again.deliveries
    assert delivery == replace(DELIVERY, body="", sequence=0)
