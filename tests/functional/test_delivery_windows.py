"""Only a window of each lane is in memory, whatever the backlog; the rest waits in the table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from agents.lane import Limits
from agents.pacing import FAILURES_MAX, PAUSE_SECONDS_FIRST
from agents.sweeper import PIECE_ROWS
from streams.domain.delivery import Delivery, EndpointStatus
from streams.domain.ids import EndpointId
from tests.functional.test_delivery_world import START, World, a_delivery, a_world, an_endpoint

SMALL = Limits(lane_held_max=8, lane_held_min=2, held_max=20, lane_in_flight_max=4)


def deliver(world: World, delivery: Delivery) -> None:
    """What the step does with a new delivery."""
    world.pending.put(delivery)
    world.lanes.offer(delivery)


def at(endpoint: str, number: int) -> Delivery:
    """Each a moment after the one before."""
    moment = START + timedelta(milliseconds=number)
    return replace(a_delivery(endpoint, number), created_at=moment, due_at=moment)


async def drain(world: World, *, status: int = 200, turns: int = 5_000) -> None:
    """Answer everything, and let the step take each out of the table."""
    for _ in range(turns):
        if not world.under_way:
            world.time.advance(0.01)
            await world.settle()
            if not world.under_way and not world.time.timers:
                return
            continue
        what = world.under_way[0]
        await world.end(what, status=status)
        endpoint, _, number = what.partition("/")
        world.pending.remove(at(endpoint, int(number)))
        world.lanes.withdraw(at(endpoint, int(number)).delivery_id)
        await world.settle()


async def test_an_endpoint_with_full_windows_is_tried_again_though_its_timer_rings_early() -> None:
    world = await a_world("a", limits=SMALL)
    world.time.early_seconds = 0.000_9
    for number in range(100):
        deliver(world, at("a", number))
    for number in range(FAILURES_MAX):
        world.time.advance(0.1)
        await world.settle()
        await world.end(f"a/{number}", status=None)
        deliver(world, replace(at("a", number), attempts=1, due_at=START + timedelta(hours=1)))
    world.time.advance(PAUSE_SECONDS_FIRST / 2)
    await world.settle()
    assert world.under_way == []

    for number in range(100, 200):
        deliver(world, at("a", number))
    world.time.advance(PAUSE_SECONDS_FIRST)
    await world.settle()

    assert world.under_way == ["a/100"]


async def test_a_backlog_that_does_not_fit_is_sent_to_its_end_and_nothing_twice() -> None:
    world = await a_world("a", limits=SMALL)
    for number in range(1_000):
        deliver(world, at("a", number))
    assert world.lanes.waiting <= 2 * SMALL.lane_held_max

    await drain(world)

    assert len(world.all_sent) == 1_000
    assert set(world.all_sent) == {f"a/{number}" for number in range(1_000)}
    assert world.pending.rows == {}
    assert world.lanes.waiting == 0


async def test_what_a_worker_finds_in_its_table_is_sent_the_earliest_first() -> None:
    world = World(limits=replace(SMALL, lane_in_flight_max=1))
    for number in range(300):
        world.pending.put(at("a", number))
    world.lanes.set_endpoint(an_endpoint("a"))

    await world.lanes.start()
    await drain(world)

    assert world.all_sent == [f"a/{number}" for number in range(300)]


async def test_news_passes_a_backlog_that_does_not_fit() -> None:
    world = World(limits=SMALL)
    for number in range(300):
        world.pending.put(at("a", number))
    world.lanes.set_endpoint(an_endpoint("a"))
    await world.lanes.start()
    world.time.advance(0.1)
    await world.settle()

    deliver(world, at("a", 999))
    await world.end("a/0")

    assert "a/999" in world.under_way


async def test_however_many_lanes_have_a_backlog_there_is_a_limit_for_all() -> None:
    names = [f"e{number}" for number in range(50)]
    world = await a_world(*names, limits=SMALL)
    for name in names:
        for number in range(30):
            deliver(world, at(name, number))
    world.time.advance(1)
    await world.settle()

    held_max = SMALL.held_max + 2 * SMALL.lane_held_min * len(names)
    assert world.lanes.waiting + world.lanes.in_flight <= held_max
    await drain(world)

    assert len(world.all_sent) == len(set(world.all_sent)) == 30 * len(names)


async def test_retries_that_do_not_fit_are_made_when_they_are_due() -> None:
    world = World(limits=SMALL)
    for number in range(40):
        late = at("a", number)
        world.pending.put(replace(late, attempts=1, due_at=START + timedelta(seconds=10 + number)))
    world.lanes.set_endpoint(an_endpoint("a"))
    await world.lanes.start()

    world.time.advance(9)
    await world.settle()
    assert world.all_sent == []
    for _ in range(200):
        world.time.advance(1)
        await drain(world, turns=50)

    assert sorted(world.all_sent) == sorted(f"a/{number}" for number in range(40))


async def test_a_backlog_waits_in_the_table_while_its_endpoint_is_disabled_or_down() -> None:
    world = World(limits=SMALL)
    for name in ("off", "down"):
        for number in range(100):
            world.pending.put(at(name, number))
    world.lanes.set_endpoint(an_endpoint("off", status=EndpointStatus.DISABLED))
    world.lanes.set_endpoint(an_endpoint("down"))
    await world.lanes.start()
    for number in range(FAILURES_MAX):
        world.time.advance(0.1)
        await world.settle()
        await world.end(f"down/{number}", status=503)
        retry = replace(at("down", number), attempts=1, due_at=START + timedelta(hours=1))
        deliver(world, retry)
    world.time.advance(0.5)
    await world.settle()

    assert world.under_way == []
    assert world.lanes.waiting <= 2 * SMALL.lane_held_max
    world.lanes.set_endpoint(an_endpoint("off"))
    world.time.advance(0.1)
    await world.settle()
    assert world.under_way == ["off/0"]


async def test_an_endpoint_that_is_removed_leaves_nothing_in_memory() -> None:
    world = await a_world("a", limits=SMALL)
    for number in range(100):
        deliver(world, at("a", number))
    await world.settle()

    world.lanes.remove_endpoint(EndpointId("a"))
    await world.end("a/0")
    world.time.advance(5)
    await world.settle()

    assert world.all_sent == ["a/0"]
    assert world.lanes.waiting == 0


async def test_a_pass_over_what_is_not_due_reads_every_row_once() -> None:
    world = World(limits=SMALL)
    for number in range(10 * PIECE_ROWS):
        far = replace(at("a", number), attempts=1, due_at=START + timedelta(hours=9))
        world.pending.put(far)
    reads: list[str] = []
    of = world.pending.of

    def counted(endpoint_id: EndpointId, *, after: str = "", limit: int) -> list[Delivery]:
        reads.append(after)
        return of(endpoint_id, after=after, limit=limit)

    world.pending.of = counted  # type: ignore[method-assign]  # counted here
    world.lanes.set_endpoint(an_endpoint("a"))
    await world.lanes.start()
    world.time.advance(59)
    await world.settle()

    assert len(reads) == len(set(reads)) == 11
    assert world.lanes.waiting == 0


async def test_rows_that_are_being_removed_do_not_end_a_pass() -> None:
    """A table leaves them out of what it was asked for, so a piece may be short in the middle."""
    world = World(limits=replace(SMALL, lane_held_max=256, held_max=1_000))
    for number in range(5 * PIECE_ROWS):
        world.pending.put(at("a", number))
    of, removed = world.pending.of, {at("a", number).key for number in range(30)}

    def without(endpoint_id: EndpointId, *, after: str = "", limit: int) -> list[Delivery]:
        rows = of(endpoint_id, after=after, limit=limit)
        return [row for row in rows if row.key not in removed]

    world.pending.of = without  # type: ignore[method-assign]  # as the real tables do
    world.lanes.set_endpoint(an_endpoint("a"))
    await world.lanes.start()
    await drain(world)

    assert set(world.all_sent) == {f"a/{number}" for number in range(30, 5 * PIECE_ROWS)}
