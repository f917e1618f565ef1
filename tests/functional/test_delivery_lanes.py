"""No delivery is sent twice at a time, and each when it is due."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from agents.lane import LIVE_IN_A_ROW_MAX, Limits
from streams.domain.delivery import Attempt
from streams.domain.ids import DeliveryId
from streams.messages import AttemptMade
from tests.functional.test_delivery_world import (
    START,
    World,
    a_delivery,
    a_world,
    an_endpoint,
    prove,
)


async def test_nothing_is_sent_twice_while_its_attempt_is_under_way_or_undecided() -> None:
    world = await a_world("a")
    await prove(world, "a")
    delivery = a_delivery("a", 1)

    for _ in range(3):
        world.lanes.offer(delivery)
    await world.settle()
    assert world.under_way == ["a/1"]
    world.lanes.offer(delivery)
    await world.end("a/1", status=500)
    world.lanes.offer(delivery)
    await world.settle()
    assert world.under_way == []

    world.lanes.offer(replace(delivery, attempts=1))
    world.lanes.offer(delivery)  # an older version, replayed
    await world.settle()
    assert world.under_way == ["a/1"]
    assert world.sent[-1].number == 2


async def test_the_step_may_decide_before_the_append_is_known_to_be_done() -> None:
    world = await a_world("a")
    delivery = a_delivery("a", 1)
    appended = asyncio.Event()

    async def publish(message: AttemptMade) -> None:
        world.lanes.offer(replace(delivery, attempts=1, first_attempt_at=START))
        await appended.wait()

    world.publishing = publish
    world.lanes.offer(delivery)
    await world.settle()
    world.sent[0].ending.set_result(Attempt(number=1, at=START, duration_ms=1, status_code=500))
    await world.until(lambda: len(world.sent) == 2)
    appended.set()
    await world.until(lambda: len(world.published) == 1)
    await world.settle()

    assert world.under_way == ["a/1"]
    world.publishing = None
    await world.end("a/1")
    assert [each.attempt.number for each in world.published] == [1, 2]


async def test_a_resend_during_an_attempt_waits_for_its_end() -> None:
    world = await a_world("a")
    await prove(world, "a")
    delivery = a_delivery("a", 1)

    world.lanes.offer(delivery)
    await world.settle()
    world.lanes.offer(replace(delivery, round=1))
    await world.settle()
    assert len(world.sent) == 1
    await world.end("a/1")

    assert world.under_way == ["a/1"]
    await world.end("a/1")
    assert [each.round for each in world.published] == [0, 1]


async def test_a_retry_that_the_log_asks_for_late_is_not_made_after_a_success() -> None:
    """A process that begins again makes the attempt that the log already has the failure of."""
    world = await a_world("a")
    delivery = a_delivery("a", 1)

    world.lanes.offer(delivery)
    await world.settle()
    world.lanes.offer(replace(delivery, attempts=1, first_attempt_at=START))
    await world.end("a/1")

    assert world.all_sent == ["a/1"]


async def test_a_resend_of_a_waiting_delivery_replaces_it() -> None:
    world = await a_world("a")
    waiting = a_delivery("a", 1, after_seconds=60, attempts=3)

    world.lanes.offer(waiting)
    world.lanes.offer(replace(waiting, round=1, attempts=0, due_at=START))
    await world.settle()
    await world.end("a/1")
    world.lanes.withdraw(waiting.delivery_id)
    world.time.advance(120)
    await world.settle()

    assert world.all_sent == ["a/1"]
    assert world.lanes.waiting == 0


async def test_a_resend_of_a_withdrawn_delivery_waits_for_the_attempt_under_way() -> None:
    world = await a_world("a")
    await prove(world, "a")
    delivery = a_delivery("a", 1)

    world.lanes.offer(delivery)
    await world.settle()
    world.lanes.withdraw(delivery.delivery_id)
    world.lanes.offer(replace(delivery, round=1))
    await world.settle()
    assert len(world.sent) == 1
    await world.end("a/1")

    assert world.under_way == ["a/1"]
    assert len(world.sent) == 2


async def test_a_withdrawn_delivery_is_not_sent_and_one_under_way_is_still_told() -> None:
    world = await a_world("a")

    for number in (1, 2):
        world.lanes.offer(a_delivery("a", number))
    await world.settle()
    for number in (1, 2, 2, 3):
        world.lanes.withdraw(DeliveryId(f"a/{number}"))
    await world.end("a/1")

    assert world.all_sent == ["a/1"]
    assert len(world.published) == 1
    assert world.lanes.waiting == 0


async def test_retries_go_when_they_are_due_the_earliest_first() -> None:
    world = await a_world("a", "b", "c")

    world.lanes.offer(a_delivery("a", 1, after_seconds=30, attempts=1))
    world.lanes.offer(a_delivery("b", 2, after_seconds=10, attempts=1))
    world.lanes.offer(a_delivery("c", 3, after_seconds=20, attempts=1))
    world.time.advance(9.99)
    await world.settle()
    assert world.all_sent == []
    world.time.advance(0.01)
    await world.settle()
    assert world.all_sent == ["b/2"]
    world.time.advance(20)
    await world.settle()

    assert world.all_sent == ["b/2", "c/3", "a/1"]
    await world.end("a/1", status=500)
    assert world.published[0].first_attempt_at == START


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_set_makes_no_retry_early_or_late(hours: int) -> None:
    world = await a_world("a")
    world.lanes.offer(a_delivery("a", 1, after_seconds=60, attempts=1))

    world.time.clock_ahead_seconds = hours * 3_600
    world.time.advance(59.9)
    await world.settle()
    assert world.all_sent == []
    world.time.advance(0.2)
    await world.settle()

    assert world.all_sent == ["a/1"]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_clock_that_is_set_during_an_attempt_makes_no_retry_early_or_late(
    hours: int,
) -> None:
    world = await a_world("a")
    delivery = a_delivery("a", 1)
    world.lanes.offer(delivery)
    await world.settle()
    world.time.advance(10)

    world.time.clock_ahead_seconds = hours * 3_600
    world.sent[0].ending.set_result(
        Attempt(number=1, at=START, duration_ms=10_000, status_code=500)
    )
    await world.settle()
    due_at = START + timedelta(seconds=70)
    world.lanes.offer(replace(delivery, attempts=1, first_attempt_at=START, due_at=due_at))
    world.time.advance(59.9)
    await world.settle()
    assert len(world.sent) == 1
    world.time.advance(0.2)
    await world.settle()

    assert len(world.sent) == 2


async def test_what_was_offered_before_the_start_is_sent_after_it() -> None:
    world = World()

    world.lanes.offer(a_delivery("a", 1))
    world.lanes.set_endpoint(an_endpoint("a"))
    world.lanes.offer(a_delivery("a", 2, after_seconds=5))
    await world.settle()
    assert world.all_sent == []
    await world.lanes.start()
    await world.settle()
    await world.end("a/1")
    world.time.advance(5)
    await world.settle()

    assert world.all_sent == ["a/1", "a/2"]


async def test_inside_a_lane_first_attempts_pass_retries_which_still_get_their_turn() -> None:
    world = await a_world("a", limits=Limits(lane_in_flight_max=1))
    world.lanes.offer(a_delivery("a", 0))
    await world.settle()
    for number in range(1, 4):
        world.lanes.offer(a_delivery("a", number, attempts=1))
    for number in range(10, 10 + LIVE_IN_A_ROW_MAX + 2):
        world.lanes.offer(a_delivery("a", number))

    while world.under_way:
        await world.end(world.under_way[0])

    order = [int(each.partition("/")[2]) for each in world.all_sent]
    live = list(range(10, 10 + LIVE_IN_A_ROW_MAX + 2))
    assert order == [0, *live[: LIVE_IN_A_ROW_MAX - 1], 1, *live[LIVE_IN_A_ROW_MAX - 1 :], 2, 3]


async def test_a_first_attempt_is_made_at_once_though_the_log_was_written_by_a_clock_ahead() -> (
    None
):
    world = await a_world("a")

    world.lanes.offer(a_delivery("a", 1, after_seconds=3_600))
    await world.settle()

    assert world.all_sent == ["a/1"]
