"""A slow merchant delays only himself: turns, shares and slots of the lanes."""

from __future__ import annotations

import pytest

from agents.lane import Limits
from streams.domain.ids import DeliveryId
from tests.functional.test_delivery_world import (
    a_delivery,
    a_world,
    prove,
)


async def test_an_endpoint_that_hangs_delays_nobody_else() -> None:
    world = await a_world("hangs", "good")
    for number in range(1, 6):
        world.lanes.offer(a_delivery("hangs", number))
        world.lanes.offer(a_delivery("good", number))
    await world.settle()

    while "good/5" not in world.all_sent:
        await world.end(next(each for each in world.under_way if each.startswith("good")))

    assert [each for each in world.all_sent if each.startswith("hangs")] == ["hangs/1"]


async def test_lanes_take_turns() -> None:
    limits = Limits(in_flight_max=2, fresh_in_flight_max=1, lane_in_flight_max=8)
    world = await a_world("a", "b", "c", limits=limits)
    await prove(world, "a", "b", "c")

    for endpoint in ("a", "b", "c"):
        for number in (1, 2, 3):
            world.lanes.offer(a_delivery(endpoint, number))
    await world.settle()
    while world.under_way:
        assert world.lanes.in_flight == 1
        await world.end(world.under_way[0])

    assert world.all_sent == ["a/1", "a/2", "b/1", "c/1", "a/3", "b/2", "c/2", "b/3", "c/3"]


async def test_one_lane_holds_no_more_than_its_share() -> None:
    world = await a_world("a", limits=Limits(lane_in_flight_max=3))
    for number in range(10):
        world.lanes.offer(a_delivery("a", number))
    await world.settle()
    for expected in (1, 2, 3, 3, 3):  # nothing is known of it at first
        assert len(world.under_way) == expected
        await world.end(world.under_way[0])


async def test_an_endpoint_that_did_not_answer_gets_one_at_a_time_until_it_succeeds() -> None:
    world = await a_world("a")
    await prove(world, "a")
    for number in range(1, 20):
        world.lanes.offer(a_delivery("a", number))
    await world.settle()
    assert len(world.under_way) == 8

    for number in range(1, 9):
        await world.end(f"a/{number}", status=None)
    assert len(world.under_way) == 1
    await world.end("a/9", status=503)
    assert len(world.under_way) == 1
    await world.end("a/10")
    assert len(world.under_way) == 2  # it takes a while to be trusted again


@pytest.mark.parametrize("hanging", [64, 600])
async def test_hanging_endpoints_however_many_leave_the_healthy_their_slots(hanging: int) -> None:
    bad = [f"bad{number}" for number in range(hanging)]
    world = await a_world("good", *bad)
    await prove(world, "good")
    for endpoint in bad:
        for number in range(20):
            world.lanes.offer(a_delivery(endpoint, number))
    await world.settle()

    for second in range(20):
        for number in range(8):
            world.lanes.offer(a_delivery("good", second * 8 + number + 1))
        await world.settle()
        mine = [each for each in world.under_way if each.startswith("good")]
        assert len(mine) == 8
        for each in mine:
            await world.end(each)
            world.lanes.withdraw(DeliveryId(each))  # as the step does
        world.time.advance(1)
        await world.settle()
    assert len(world.under_way) <= hanging


async def test_endpoints_that_turn_bad_are_counted_apart_before_their_time_out() -> None:
    limits = Limits(in_flight_max=9, fresh_in_flight_max=1, slow_in_flight_max=4)
    world = await a_world("bad", "good", limits=limits)
    await prove(world, "bad", "good")
    for number in range(1, 20):
        world.lanes.offer(a_delivery("bad", number))
    await world.settle()
    world.lanes.offer(a_delivery("good", 1))
    await world.settle()
    assert len(world.under_way) == 8  # all slots of the healthy
    assert "good/1" not in world.under_way

    world.time.advance(limits.slow_seconds)
    await world.settle()

    assert "good/1" in world.under_way
    assert len(world.under_way) == 9


async def test_however_many_turn_bad_at_once_the_process_bears_it() -> None:
    limits = Limits(in_flight_max=3, fresh_in_flight_max=1, all_in_flight_max=5)
    names = [f"e{number}" for number in range(10)]
    world = await a_world(*names, limits=limits)
    await prove(world, *names)
    for endpoint in names:
        world.lanes.offer(a_delivery(endpoint, 1))

    for expected in (2, 4, 5, 5):
        await world.settle()
        assert len(world.under_way) == expected
        world.time.advance(limits.slow_seconds)
    await world.end("e0/1")

    assert world.under_way == [f"e{number}/1" for number in range(1, 6)]


async def test_sick_lanes_share_their_own_slots_and_a_healed_one_leaves_them() -> None:
    limits = Limits(sick_in_flight_max=2)
    world = await a_world("a", "b", "c", limits=limits)
    for endpoint in ("a", "b", "c"):
        world.lanes.offer(a_delivery(endpoint, 0))
    await world.settle()
    for endpoint in ("a", "b", "c"):
        await world.end(f"{endpoint}/0", status=None)
    for number in range(1, 4):
        for endpoint in ("a", "b", "c"):
            world.lanes.offer(a_delivery(endpoint, number))
    await world.settle()
    assert world.under_way == ["a/1", "b/1"]

    await world.end("a/1")

    assert world.under_way == ["b/1", "a/2", "a/3", "c/1"]


async def test_a_slow_answer_is_a_success_with_fewer_slots() -> None:
    world = await a_world("a")
    await prove(world, "a")
    world.lanes.offer(a_delivery("a", 1))
    await world.settle()
    world.time.advance(3)
    await world.end("a/1")
    for number in range(2, 20):
        world.lanes.offer(a_delivery("a", number))
    await world.settle()
    assert len(world.under_way) == 4

    for number in range(2, 8):
        await world.end(f"a/{number}")

    assert len(world.under_way) == 5  # one more for each round of answers


async def test_quick_answers_beside_a_hanging_one_do_not_make_a_lane_healthy() -> None:
    world = await a_world("a")
    await prove(world, "a")
    for number in range(1, 20):
        world.lanes.offer(a_delivery("a", number))
    await world.settle()
    world.time.advance(3)  # the first eight take long
    for number in range(1, 8):
        await world.end(f"a/{number}")
    assert len(world.under_way) == 4

    await world.end("a/9")  # at once
    assert len(world.under_way) == 4
    await world.end("a/8")  # the last of the long ones
    await world.end("a/10")
    await world.end("a/11")
    await world.end("a/12")
    assert len(world.under_way) == 5


async def test_slots_are_given_back_where_they_were_taken_when_lanes_change_sides() -> None:
    limits = Limits(in_flight_max=5, fresh_in_flight_max=1)  # four for the healthy
    world = await a_world("a", "b", "c", limits=limits)
    await prove(world, "a", "b", "c")
    for number in range(1, 4):
        for endpoint in ("a", "b"):
            world.lanes.offer(a_delivery(endpoint, number))
    await world.settle()
    assert len(world.under_way) == 4
    world.time.advance(limits.slow_seconds)  # both wait for a turn while they change sides
    await world.settle()
    assert len(world.under_way) == 4

    for number in range(1, 20):
        world.lanes.offer(a_delivery("c", number))
    await world.settle()

    assert len([each for each in world.under_way if each.startswith("c")]) == 4


async def test_one_broken_connection_does_not_put_a_good_endpoint_behind_those_that_hang() -> None:
    hanging = [f"h{number}" for number in range(6)]
    world = await a_world("good", *hanging, limits=Limits(sick_in_flight_max=2))
    await prove(world, "good", *hanging)
    for name in hanging:
        for number in range(10):
            world.lanes.offer(a_delivery(name, number))
    await world.settle()
    world.time.advance(15)
    for what in list(world.under_way):
        await world.end(what, status=None)
    assert len(world.under_way) == 2

    world.lanes.offer(a_delivery("good", 1))
    await world.settle()
    await world.end("good/1", status=None)
    world.lanes.offer(a_delivery("good", 2))
    await world.settle()

    assert "good/2" in world.under_way
