"""How an endpoint stands goes with it to the worker that sends to it next."""

from __future__ import annotations

from agents.lane import Limits
from connectors.cache.memory import MemoryCache
from connectors.cache.standings import CachedStandings
from tests.functional.test_delivery_world import World, a_delivery, an_endpoint


async def a_successor(cache: MemoryCache) -> World:
    """It knows nothing of "new", which takes the only slot for such endpoints."""
    world = World(standings=CachedStandings(cache), limits=Limits(fresh_in_flight_max=1))
    for name in ("new", "a"):
        world.lanes.set_endpoint(an_endpoint(name))
        for number in range(1, 20):
            world.lanes.offer(a_delivery(name, number))
    await world.lanes.recall()
    await world.lanes.start()
    await world.settle()
    return world


async def after_an_answer(status: int | None) -> World:
    """A worker saw this answer and is gone; the next one has begun."""
    cache = MemoryCache()
    standings = CachedStandings(cache)
    first = World(standings=standings)
    first.lanes.set_endpoint(an_endpoint("a"))
    await first.lanes.start()
    first.lanes.offer(a_delivery("a", 0))
    await first.settle()
    await first.end("a/0", status=status)
    await standings.close()
    return await a_successor(cache)


async def test_a_healthy_endpoint_is_not_counted_among_those_that_nobody_knows() -> None:
    world = await after_an_answer(200)

    assert world.under_way == ["new/1", "a/1"]


async def test_a_sick_endpoint_still_gets_one_attempt_at_a_time() -> None:
    world = await after_an_answer(None)

    assert world.under_way == ["new/1", "a/1"]
    await world.end("a/1")
    assert world.under_way == ["new/1", "a/2", "a/3"]


async def test_of_an_endpoint_that_nobody_knows_nothing_is_assumed() -> None:
    world = await a_successor(MemoryCache())

    assert world.under_way == ["new/1"]


async def test_a_word_that_a_later_version_wrote_is_passed_over() -> None:
    cache = MemoryCache()
    standings = CachedStandings(cache)
    standings.put(an_endpoint("a").endpoint_id, "splendid")
    await standings.close()

    world = await a_successor(cache)

    assert world.under_way == ["new/1"]
