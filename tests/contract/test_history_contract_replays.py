"""What every engine of history owes to replays: the same is known of them in any order."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from streams.domain.delivery import DeliveryStatus
from streams.domain.errors import Malformed
from streams.domain.ids import DeliveryId, EndpointId, InvoiceId, MerchantId, NotificationId
from streams.domain.ids import ReplayId as Id
from streams.domain.replay import EndReason, ReplayStatus, Selection
from streams.ports import History
from streams.replays import (
    DeliveryStanding,
    EventBody,
    ReplayAdvanced,
    ReplayEnded,
    ReplayRequested,
    ReplayRow,
    ReplayTaken,
)
from tests.builders import ENDPOINT, MERCHANT, NOW, a_delivery, a_notification, an_attempt
from tests.history_engines import archived
from tests.message_builders import (
    a_deliveries_started,
    a_delivery_attempted,
    an_invoice_changed,
)

SECOND = timedelta(seconds=1)
ONE, TWO = Id("rpl_1"), Id("rpl_2")
OTHER = MerchantId("mer_other")
SELECTION = Selection(
    first=3, last=40, statuses=(DeliveryStatus.FAILED,), types=("invoice.*", "payment.confirmed")
)


def requested(replay: Id = ONE, **changes: Any) -> ReplayRequested:
    given: dict[str, Any] = {
        "merchant_id": MERCHANT,
        "replay_id": replay,
        "endpoint_id": ENDPOINT,
        "selection": SELECTION,
        "at": NOW,
    }
    return ReplayRequested(**{**given, **changes})


def taken(replay: Id = ONE) -> ReplayTaken:
    return ReplayTaken(merchant_id=MERCHANT, replay_id=replay)


def advanced(position: int, found: int, resent: int) -> ReplayAdvanced:
    return ReplayAdvanced(
        merchant_id=MERCHANT, replay_id=ONE, position=position, found=found, resent=resent
    )


def cancelled(replay: Id = ONE, *, seconds: int = 0) -> ReplayEnded:
    return ReplayEnded(
        merchant_id=MERCHANT,
        replay_id=replay,
        status=ReplayStatus.CANCELLED,
        at=NOW + seconds * SECOND,
        reason=EndReason.ASKED,
    )


DONE = replace(cancelled(), status=ReplayStatus.DONE, at=NOW + 9 * SECOND, reason=None)


async def seen(history: History, replay: Id = ONE) -> ReplayRow:
    row = await history.replay(MERCHANT, replay)
    assert row is not None
    return row


async def test_a_replay_is_shown_as_it_was_asked_for(history: History) -> None:
    await history.store(archived(requested()))

    row = await seen(history)
    assert row == ReplayRow(
        cursor=row.cursor,
        replay_id=ONE,
        merchant_id=MERCHANT,
        endpoint_id=ENDPOINT,
        selection=SELECTION,
        created_at=NOW,
        status=ReplayStatus.RUNNING,
        position=2,
        found=0,
        resent=0,
        taken="",
        finished_at=None,
        reason=None,
    )
    assert await history.replay(OTHER, ONE) is None
    assert await history.replay(MERCHANT, TWO) is None
    assert await history.running_replays() == [(MERCHANT, ONE)]


async def test_its_progress_is_the_furthest_that_was_said_in_any_order(history: History) -> None:
    messages = archived(requested(), advanced(7, 2, 1), advanced(20, 5, 4), DONE)
    for order in itertools.permutations(messages):
        await history.store(order)
    for message in reversed(messages):
        await history.store([message])

    row = await seen(history)
    assert (row.position, row.found, row.resent) == (20, 5, 4)
    assert (row.status, row.finished_at) == (ReplayStatus.DONE, NOW + 9 * SECOND)
    assert await history.running_replays() == []


async def test_what_is_not_requested_yet_is_not_shown(history: History) -> None:
    await history.store(archived(advanced(7, 2, 1), first_offset=1))
    assert await history.replay(MERCHANT, ONE) is None
    assert await history.running_replays() == []
    assert await history.replays(MERCHANT, ENDPOINT, after=None, limit=5) == ([], None)

    await history.store(archived(requested()))
    assert (await seen(history)).position == 7
    assert await history.running_replays() == [(MERCHANT, ONE)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2)])
async def test_done_holds_over_cancelled_and_of_two_cancels_the_earlier(
    history: History, order: tuple[int, ...]
) -> None:
    messages = archived(requested(), requested(TWO), first_offset=10)
    await history.store(messages)
    ends = archived(
        cancelled(seconds=1), DONE, cancelled(TWO, seconds=1), cancelled(TWO, seconds=5)
    )
    for index in order:
        await history.store([ends[index]])

    one, two = await seen(history), await seen(history, TWO)
    assert (one.status, one.reason) == (ReplayStatus.DONE, None)
    assert (two.status, two.reason) == (ReplayStatus.CANCELLED, EndReason.ASKED)
    assert two.finished_at == NOW + SECOND
    # A request that the log gives again does not begin it again.
    await history.store(messages)
    assert await history.running_replays() == []


async def test_whoever_took_it_last_has_it(history: History) -> None:
    first, *takes = archived(requested(), taken(), taken(), first_offset=9)
    at_once = replace(takes[1], recorded_at=takes[0].recorded_at)
    await history.store([first])
    for message in (*takes[:1], at_once, takes[0]):
        await history.store([message])

    assert (await seen(history)).taken == at_once.place.name > takes[0].place.name


async def test_the_replays_of_an_endpoint_come_newest_first_page_by_page(history: History) -> None:
    ids = [Id(f"rpl_{number}") for number in range(5)]
    listed = [requested(each, at=NOW + index // 2 * SECOND) for index, each in enumerate(ids)]
    elsewhere = requested(Id("rpl_x"), endpoint_id=EndpointId("ep_other"))
    theirs = requested(Id("rpl_y"), merchant_id=OTHER)
    await history.store(archived(*listed, elsewhere, theirs))

    found: list[Id] = []
    after, pages = None, 0
    while pages == 0 or after is not None:
        rows, after = await history.replays(MERCHANT, ENDPOINT, after=after, limit=2)
        found += [row.replay_id for row in rows]
        pages += 1
    assert (found, pages) == (ids[::-1], 3)
    with pytest.raises(Malformed):
        await history.replays(MERCHANT, ENDPOINT, after="no-cursor", limit=2)


async def test_a_delivery_names_the_replay_that_its_round_is_of(history: History) -> None:
    delivery = a_delivery(sequence=4)
    rounds = [
        replace(delivery, round=1, replay_id=ONE),
        replace(delivery, round=2),
        replace(delivery, round=3, replay_id=TWO),
    ]
    named = []
    for offset, each in enumerate([delivery, *rounds]):
        await history.store(archived(a_deliveries_started(deliveries=(each,)), first_offset=offset))
        row = await history.delivery(MERCHANT, delivery.delivery_id)
        (listed,), _ = await history.deliveries(
            MERCHANT, endpoint_id=None, event_id=None, status=None, after=None, limit=5
        )
        assert row is not None
        assert listed == row
        named.append((row.round, row.replay_id))

    assert named == [(0, None), (1, ONE), (2, None), (3, TWO)]


async def test_how_deliveries_stand_is_told_for_many_at_once(history: History) -> None:
    one = a_delivery(notification=a_notification(cause="c1"), sequence=1)
    two = a_delivery(notification=a_notification(cause="c2"), sequence=2)
    again = replace(two, round=1, replay_id=ONE)
    told = a_delivery_attempted(delivery=one, attempt=an_attempt(), says_all=True)
    to_be_told = replace(told, round=1, next_attempt_at=NOW + SECOND)
    await history.store(archived(a_deliveries_started(deliveries=(one, two)), told))
    ids = [one.delivery_id, DeliveryId("dlv_none"), two.delivery_id]
    first = await history.delivery_standings(ids)
    await history.store(archived(a_deliveries_started(deliveries=(again,)), first_offset=5))
    await history.store(archived(to_be_told, first_offset=6))

    delivered, pending = DeliveryStatus.DELIVERED, DeliveryStatus.PENDING
    assert first == {
        one.delivery_id: DeliveryStanding(round=0, status=delivered, next_attempt_at=None),
        two.delivery_id: DeliveryStanding(round=0, status=pending, next_attempt_at=two.due_at),
    }
    assert await history.delivery_standings(ids) == {
        one.delivery_id: DeliveryStanding(round=1, status=delivered, next_attempt_at=NOW + SECOND),
        two.delivery_id: DeliveryStanding(round=1, status=pending, next_attempt_at=two.due_at),
    }
    assert await history.delivery_standings([]) == {}


async def test_bodies_of_events_are_told_for_many_at_once_to_their_merchant(
    history: History,
) -> None:
    invoice = InvoiceId("inv_1")
    told = [
        replace(a_notification(cause="c1"), invoice_id=invoice),
        replace(a_notification(cause="c2"), invoice_id=None),
    ]
    await history.store(archived(an_invoice_changed(notifications=tuple(told))))

    ids = [each.notification_id for each in told] + [NotificationId("evt_none")]
    assert await history.event_bodies(MERCHANT, ids) == {
        told[0].notification_id: EventBody(body=told[0].body, invoice_id=invoice),
        told[1].notification_id: EventBody(body=told[1].body, invoice_id=None),
    }
    assert await history.event_bodies(OTHER, ids) == {}
    assert await history.event_bodies(MERCHANT, []) == {}
