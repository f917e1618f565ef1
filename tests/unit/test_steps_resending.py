"""Rounds that are begun again: in order within an invoice, and ended with their endpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.step import Result
from streams.domain.delivery import ATTEMPTS_MAX, Attempt, Delivery
from streams.domain.ids import ReplayId
from streams.domain.replay import EndReason, ReplayStatus
from streams.messages import DeliveryDropped, EndpointRemoved, ResendRequested
from streams.replays import ReplayEnded
from tests.builders import ENDPOINT, MERCHANT, NOW, a_delivery, a_notification, an_endpoint
from tests.notifying_desk import BAD, OK, SECOND, Desk, ended, made
from tests.step_builders import said
from tests.unit.test_steps_order import notified, rows

REPLAY = ReplayId("rpl_1")


def again(cause: str, *, after: Delivery | None = None) -> Delivery:
    """A delivery of a replay; it may come after another one of its invoice."""
    delivery = a_delivery(notification=a_notification(cause=cause))
    key = after.key if after is not None else ""
    return replace(delivery, round=1, replay_id=REPLAY, after=key, had_ended=True)


def ended_again(desk: Desk, *, attempt: Attempt = BAD, ack_seconds: int = 0) -> Delivery:
    """The first state of an invoice; it has ended, and is sent again."""
    desk.read(notified(1))
    (first,) = desk.pending
    last = replace(attempt, number=ATTEMPTS_MAX)
    desk.read(made(last, delivery=first, ack_seconds=ack_seconds))
    resend(desk, replace(first, round=2))
    (row,) = desk.pending
    return row


FIRST = again("c1")
NEXT = again("c2", after=FIRST)


@pytest.fixture
def desk() -> Desk:
    return Desk(an_endpoint())


def resend(desk: Desk, *deliveries: Delivery) -> Result:
    results = [desk.read(ResendRequested(delivery=each)) for each in deliveries]
    return results[-1]


def test_a_resend_comes_behind_the_one_before_of_its_invoice(desk: Desk) -> None:
    resend(desk, FIRST, NEXT)

    rows = {row.delivery_id: row for row in desk.table.rows.values()}
    assert rows[FIRST.delivery_id].then == NEXT.key
    assert rows[NEXT.delivery_id].after == FIRST.key
    # The one before has ended: who came after it is told of.
    desk.read(made(OK, delivery=FIRST))
    assert desk.pending == [NEXT]


def test_it_waits_for_nobody_where_the_one_before_has_ended(desk: Desk) -> None:
    resend(desk, NEXT)

    assert desk.pending == [replace(NEXT, after="")]


def test_it_waits_for_nobody_where_another_is_behind_the_one_before(desk: Desk) -> None:
    third = again("c3", after=FIRST)
    resend(desk, FIRST, NEXT, third)

    rows = {row.delivery_id: row for row in desk.table.rows.values()}
    assert rows[FIRST.delivery_id].then == NEXT.key
    assert rows[third.delivery_id].after == ""


def test_a_crash_between_the_two_rows_changes_nothing(desk: Desk) -> None:
    """The one before has learnt of its follower, whose own row was not written."""
    resend(desk, FIRST, NEXT)
    before = list(desk.table.rows.values())
    desk.table.remove(NEXT)

    resend(desk, NEXT)

    assert list(desk.table.rows.values()) == before


def test_a_replay_ends_with_its_endpoint(desk: Desk) -> None:
    desk.read(EndpointRemoved(merchant_id=MERCHANT, endpoint_id=ENDPOINT, at=NOW + SECOND))

    result = resend(desk, FIRST)
    single = resend(desk, replace(NEXT, replay_id=None))

    assert said(result.records, ReplayEnded) == [
        ReplayEnded(
            merchant_id=MERCHANT,
            replay_id=REPLAY,
            status=ReplayStatus.CANCELLED,
            at=NOW,
            reason=EndReason.ENDPOINT_REMOVED,
        )
    ]
    assert ended(result).round == 1
    assert said(single.records, ReplayEnded) == []


# --- beside news of the same invoice


@pytest.mark.parametrize("attempt", [OK, BAD], ids=["delivered", "failed"])
def test_news_neither_waits_for_what_had_ended_nor_replaces_it(attempt: Attempt) -> None:
    desk = Desk(replace(an_endpoint(), supersede=True))
    row = ended_again(desk, attempt=attempt)

    result = desk.read(notified(2, earlier=1))

    resent, news = rows(desk)
    assert (resent, news.after) == (row, "")
    assert said(result.records, DeliveryDropped) == []
    assert desk.read(notified(2, earlier=1)).records == result.records


def test_what_was_delivered_and_is_told_again_had_ended() -> None:
    desk = Desk(replace(an_endpoint(), ack_required=True, ack_seconds=600))

    assert ended_again(desk, attempt=OK, ack_seconds=600).had_ended


def test_what_had_ended_is_resent_once_more() -> None:
    desk = Desk(an_endpoint())
    row = ended_again(desk)

    resend(desk, replace(row, round=3, had_ended=False))

    assert desk.pending == [replace(row, round=3)]


def test_news_waits_for_a_resend_of_what_had_not_ended() -> None:
    desk = Desk(replace(an_endpoint(), supersede=True))
    desk.read(notified(1))
    resend(desk, replace(desk.pending[0], round=1))

    result = desk.read(notified(2, earlier=1))

    resent, news = rows(desk)
    assert (resent.had_ended, news.after) == (False, resent.key)
    (drop,) = said(result.records, DeliveryDropped)
    assert (drop.delivery_id, drop.round) == (resent.delivery_id, 1)


def test_a_resend_does_not_come_between_news() -> None:
    """The one before was not sent again: it is under way, and news comes behind it."""
    desk = Desk(an_endpoint())
    desk.read(notified(1))
    (first,) = desk.pending

    resend(desk, again("c2", after=first))

    assert {row.after for row in rows(desk)} == {""}
    assert desk.table.get(first.key) == first


def test_it_does_not_wait_until_the_one_before_is_told_again() -> None:
    desk = Desk(replace(an_endpoint(), ack_required=True, ack_seconds=600))
    resend(desk, FIRST)
    desk.read(made(OK, delivery=FIRST, ack_seconds=600))

    resend(desk, NEXT)

    assert desk.table.get(NEXT.key) == replace(NEXT, after="")
