"""A delivery that is told again waits for its time in the lanes, wherever it is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from agents.acknowledging import tell_again
from agents.lane import Limits
from streams.domain.delivery import Delivery
from tests.functional.test_delivery_order import in_a_row
from tests.functional.test_delivery_world import START, World, a_delivery, a_world, an_endpoint

ASKING = replace(an_endpoint("a"), ack_required=True, ack_seconds=600)


def told_again(number: int) -> Delivery:
    """A delivery after a 2xx that nobody acknowledged."""
    return replace(a_delivery("a", number, after_seconds=600), round=1, tellings=1)


async def test_the_attempt_says_how_long_an_acknowledgement_is_waited_for() -> None:
    world = await a_world()
    world.lanes.set_endpoint(ASKING)
    await world.lanes.start()
    for delivery in (
        a_delivery("a", 1),
        replace(a_delivery("a", 2), acknowledged=True),
        replace(a_delivery("a", 3), tellings=2),
    ):
        world.lanes.offer(delivery)
        await world.settle()
        await world.end(world.under_way[0])

    assert [made.ack_seconds for made in world.published] == [600, 0, 600]
    assert [made.tellings for made in world.published] == [0, 0, 2]
    assert [made.event_id for made in world.published] == ["evt_1", "evt_2", "evt_3"]


async def test_what_is_told_again_waits_for_its_time_in_memory() -> None:
    world = await a_world("a")

    world.lanes.offer(told_again(1))
    world.time.advance(599)
    await world.settle()
    assert world.all_sent == []
    world.time.advance(1)
    await world.settle()

    assert world.under_way == ["a/1"]


async def test_what_is_told_again_waits_for_its_time_in_the_table() -> None:
    world = World(limits=Limits(lane_held_max=4, lane_held_min=2))
    for number in range(20):
        moment = START + timedelta(milliseconds=number)
        world.pending.put(replace(told_again(number), created_at=moment))
    world.lanes.set_endpoint(an_endpoint("a"))

    await world.lanes.start()
    world.time.advance(599)
    await world.settle()
    assert world.all_sent == []
    world.time.advance(61)  # a pass over the table may be a minute late
    await world.settle()

    assert world.under_way


async def test_the_next_of_the_invoice_is_not_held_up_by_what_is_told_again() -> None:
    world = await a_world("a")
    first, second = in_a_row("a", 1, 2)
    for delivery in (first, second):
        world.pending.put(delivery)
        world.lanes.offer(delivery)
    await world.settle()
    await world.end("a/1")
    assert world.under_way == ["a/2"]

    tell_again(first, START + timedelta(seconds=600), world.pending, world.lanes)
    await world.settle()
    await world.end("a/2")
    assert world.all_sent == ["a/1", "a/2"]
    world.time.advance(600)
    await world.settle()

    assert world.all_sent == ["a/1", "a/2", "a/1"]


async def test_a_worker_that_starts_sends_the_next_of_the_invoice_first() -> None:
    world = World()
    first, second = in_a_row("a", 1, 2)
    for delivery in (first, second):
        world.pending.put(delivery)
    tell_again(first, START + timedelta(seconds=600), world.pending, World().lanes)
    world.lanes.set_endpoint(an_endpoint("a"))

    await world.lanes.start()
    world.time.advance(1)
    await world.settle()

    assert world.under_way == ["a/2"]
