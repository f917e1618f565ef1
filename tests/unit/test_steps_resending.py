"""Rounds that are begun again: in order within an invoice, and ended with their endpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.step import Result
from streams.domain.delivery import Delivery
from streams.domain.ids import ReplayId
from streams.domain.replay import EndReason, ReplayStatus
from streams.messages import EndpointRemoved, ResendRequested
from streams.replays import ReplayEnded
from tests.builders import ENDPOINT, MERCHANT, NOW, a_delivery, a_notification, an_endpoint
from tests.notifying_desk import OK, SECOND, Desk, ended, made
from tests.step_builders import said

REPLAY = ReplayId("rpl_1")


def again(cause: str, *, after: Delivery | None = None) -> Delivery:
    """A delivery of a replay; it may come after another one of its invoice."""
    delivery = a_delivery(notification=a_notification(cause=cause))
    key = after.key if after is not None else ""
    return replace(delivery, round=1, replay_id=REPLAY, after=key)


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
