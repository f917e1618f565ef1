"""Notifications of one invoice go one after the other, and hold up nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from streams.domain.delivery import Delivery
from tests.functional.test_delivery_world import (
    START,
    World,
    a_delivery,
    a_world,
    an_endpoint,
    prove,
)


def in_a_row(endpoint: str, *numbers: int) -> list[Delivery]:
    """Deliveries of one invoice, each after the one before."""
    row = [a_delivery(endpoint, number) for number in numbers]
    for before, after in zip(range(len(row)), range(1, len(row)), strict=False):
        row[before] = replace(row[before], then=row[after].key)
        row[after] = replace(row[after], after=row[before].key)
    return row


async def a_row_under_way(*numbers: int) -> tuple[World, list[Delivery]]:
    world = await a_world("a")
    await prove(world, "a")
    row = in_a_row("a", *numbers)
    for delivery in row:
        world.pending.put(delivery)
        world.lanes.offer(delivery)
    await world.settle()
    return world, row


def finish(world: World, delivery: Delivery) -> None:
    """What the step does when a delivery has ended."""
    world.pending.remove(delivery)
    world.lanes.withdraw(delivery.delivery_id)
    follower = world.pending.get(delivery.then) if delivery.then else None
    if follower is not None:
        world.lanes.follow(follower, delivery.delivery_id)


async def test_the_next_one_begins_when_the_one_before_is_answered() -> None:
    world, row = await a_row_under_way(1, 2, 3)
    assert world.under_way == ["a/1"]

    await world.end("a/1")
    assert world.under_way == ["a/2"]  # before the log has said a word
    finish(world, row[0])
    await world.settle()
    assert world.under_way == ["a/2"]
    await world.end("a/2")

    assert world.all_sent == ["a/1", "a/2", "a/3"]


async def test_other_invoices_of_the_endpoint_pass() -> None:
    world, _ = await a_row_under_way(1, 2)

    world.lanes.offer(a_delivery("a", 7))
    await world.settle()

    assert world.under_way == ["a/1", "a/7"]


async def test_who_waits_behind_a_failure_waits_for_its_retry() -> None:
    world, row = await a_row_under_way(1, 2)
    await world.end("a/1", status=500)
    retry = replace(row[0], attempts=1, due_at=START + timedelta(seconds=30))
    world.pending.put(retry)
    world.lanes.offer(retry)
    await world.settle()
    assert world.under_way == []

    world.time.advance(30)
    await world.settle()
    assert world.under_way == ["a/1"]
    await world.end("a/1")

    assert world.under_way == ["a/2"]


async def test_who_waits_behind_a_delivery_that_is_given_up_goes_on() -> None:
    world, row = await a_row_under_way(1, 2, 3)
    await world.end("a/1", status=500)

    finish(world, row[0])
    await world.settle()

    assert world.under_way == ["a/2"]


async def test_a_delivery_that_is_dropped_while_it_is_sent_is_not_overtaken() -> None:
    world, row = await a_row_under_way(1, 2)

    finish(world, row[0])
    await world.settle()
    assert world.under_way == ["a/1"]
    await world.end("a/1", status=500)

    assert world.under_way == ["a/2"]


async def test_a_dropped_one_that_is_still_sent_is_not_overtaken_over_others_that_are_dropped() -> (
    None
):
    world, row = await a_row_under_way(1, 2)
    second = replace(row[1], then=in_a_row("a", 2, 3)[1].key)
    third = replace(a_delivery("a", 3), after=second.key)
    world.pending.put(third)

    finish(world, row[0])
    finish(world, second)
    await world.settle()
    assert world.under_way == ["a/1"]
    await world.end("a/1", status=500)

    assert world.under_way == ["a/3"]


async def test_a_resend_of_one_that_waits_behind_another_goes_on_waiting_and_is_sent_once() -> None:
    world, row = await a_row_under_way(1, 2, 3)

    world.lanes.offer(replace(row[1], round=1))
    await world.settle()
    assert world.under_way == ["a/1"]
    for number in (1, 2, 3):
        await world.end(f"a/{number}")

    assert world.all_sent == ["a/1", "a/2", "a/3"]
    assert [each.round for each in world.published] == [0, 1, 0]


async def test_a_row_closes_up_when_one_in_its_middle_is_dropped() -> None:
    world, row = await a_row_under_way(1, 2, 3)

    world.lanes.withdraw(row[1].delivery_id)  # the step closes up its rows by itself
    await world.settle()
    assert world.under_way == ["a/1"]
    await world.end("a/1", status=500)
    finish(world, replace(row[0], then=row[2].key))
    await world.settle()

    assert world.all_sent == ["a/1", "a/3"]


async def test_a_row_from_the_table_keeps_its_order() -> None:
    world, row = World(), in_a_row("a", 1, 2, 3)
    for delivery in row:
        world.pending.put(delivery)
    world.lanes.set_endpoint(an_endpoint("a"))
    await world.lanes.start()

    for number, delivery in enumerate(row, 1):
        world.time.advance(1)
        await world.settle()
        assert world.under_way == [f"a/{number}"]
        await world.end(f"a/{number}")
        finish(world, delivery)


async def test_one_that_came_before_its_turn_is_told_of_again() -> None:
    """The one before is in the table alone: it found no room in memory."""
    world = await a_world("a")
    row = in_a_row("a", 1, 2)
    for delivery in row:
        world.pending.put(delivery)

    world.lanes.offer(row[1])
    await world.settle()
    assert world.all_sent == []
    finish(world, row[0])
    await world.settle()

    assert world.all_sent == ["a/2"]
