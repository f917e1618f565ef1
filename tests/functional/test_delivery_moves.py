"""A partition that leaves a worker and comes back while an attempt of it is under way."""

from __future__ import annotations

import gc
from dataclasses import replace
from datetime import timedelta

import pytest

from agents.lane import Entry
from streams.domain.delivery import Delivery
from streams.domain.ids import DeliveryId
from tests.functional.test_delivery_world import (
    START,
    World,
    a_delivery,
    a_world,
    an_endpoint,
)

RETRY_SECONDS = 5
ACK_SECONDS = 3_600


def a_row(number: int) -> Delivery:
    """A delivery whose id is the end of its key, as in the table."""
    return replace(
        a_delivery("a", number),
        delivery_id=DeliveryId(f"d{number}"),
        created_at=START + timedelta(milliseconds=number),
    )


def a_retry(world: World, row: Delivery) -> Delivery:
    """The row as the step writes it when an attempt has failed."""
    due_at = world.time.now() + timedelta(seconds=RETRY_SECONDS)
    return replace(row, attempts=1, first_attempt_at=START, due_at=due_at)


async def moved_away(world: World, row: Delivery) -> None:
    """An attempt is under way from before until after."""
    world.pending.put(row)
    world.lanes.follow(row, DeliveryId("d0"))
    await world.settle()
    assert world.under_way == ["a/1"]
    world.lanes.pause()
    world.lanes.keep(lambda _merchant_id: False)
    await world.lanes.start()
    world.time.advance(3)
    await world.settle()


async def came_back(world: World) -> None:
    world.lanes.pause()
    world.lanes.keep(lambda _merchant_id: True)
    world.lanes.set_endpoint(an_endpoint("a"))
    await world.lanes.start()
    world.time.advance(3)
    await world.settle()
    assert world.under_way == ["a/1"]


async def came_back_and_failed(world: World, row: Delivery) -> None:
    """The attempt fails after that, and the step decides on a retry."""
    await came_back(world)
    await world.end("a/1", status=None)
    again = a_retry(world, row)
    world.pending.put(again)
    world.lanes.offer(again)


def entries() -> int:
    gc.collect()
    return sum(type(each) is Entry for each in gc.get_objects())


async def in_time(world: World) -> list[int]:
    """The attempts of what is sent until its retry is due."""
    for _ in range(2 * RETRY_SECONDS):
        world.time.advance(1)
        await world.settle()
    return [each.number for each in world.sent]


async def test_what_came_after_something_that_is_over_is_tried_again() -> None:
    world = await a_world("a")
    row = replace(a_row(1), after=a_row(0).key)
    await moved_away(world, row)
    await came_back_and_failed(world, row)

    assert await in_time(world) == [1, 2]


async def test_what_another_worker_tried_meanwhile_is_tried_again() -> None:
    world = await a_world("a")
    row = a_row(1)
    await moved_away(world, row)
    world.pending.put(a_retry(world, row))
    await came_back(world)

    await world.end("a/1", status=None)

    assert await in_time(world) == [1, 2]


@pytest.mark.parametrize("is_closed", [False, True])
async def test_what_was_dropped_before_its_time_takes_no_memory(is_closed: bool) -> None:  # noqa: FBT001  # pytest gives it by name
    world, before = await a_world("a"), entries()
    if is_closed:
        world.lanes.pause()
    for number in range(1, 2_000):
        row = a_row(number)
        if not is_closed:
            due_at = world.time.now() + timedelta(seconds=ACK_SECONDS)
            row = replace(row, round=1, tellings=1, due_at=due_at)
        world.lanes.offer(row)
        world.lanes.withdraw(row.delivery_id)

    assert world.lanes.waiting == 0
    assert entries() - before < 500


async def test_what_failed_after_it_came_back_still_goes_before_what_follows_it() -> None:
    world = await a_world("a")
    row, follower = a_row(1), replace(a_row(2), after=a_row(1).key)
    world.pending.put(follower)
    await moved_away(world, row)
    await came_back_and_failed(world, row)
    await in_time(world)

    assert world.all_sent == ["a/1", "a/1"]


async def test_a_retry_that_another_process_decided_does_not_follow_a_success() -> None:
    world = await a_world("a")
    world.lanes.offer(a_row(1))
    await world.settle()
    await world.end("a/1")

    world.lanes.offer(a_retry(world, a_row(1)))

    assert await in_time(world) == [1]
