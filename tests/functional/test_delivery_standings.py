"""How an endpoint stands goes with it to the worker that sends to it next."""

from __future__ import annotations

from connectors.cache.memory import MemoryCache
from connectors.cache.standings import CachedStandings
from tests.functional.test_delivery_world import World, a_delivery, an_endpoint


async def a_successor(cache: MemoryCache) -> World:
    world = World(standings=CachedStandings(cache))
    world.lanes.set_endpoint(an_endpoint("a"))
    for number in range(1, 20):
        world.lanes.offer(a_delivery("a", number))
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


async def test_a_healthy_endpoint_has_all_its_slots_at_once() -> None:
    world = await after_an_answer(200)

    assert len(world.under_way) == 8


async def test_a_sick_endpoint_still_gets_one_attempt_at_a_time() -> None:
    world = await after_an_answer(None)

    assert len(world.under_way) == 1
    await world.end(world.under_way[0])
    assert len(world.under_way) == 8


async def test_of_an_endpoint_that_nobody_knows_nothing_is_assumed() -> None:
    world = await a_successor(MemoryCache())

    assert len(world.under_way) == 1


async def test_a_word_that_a_later_version_wrote_is_passed_over() -> None:
    cache = MemoryCache()
    standings = CachedStandings(cache)
    standings.put(an_endpoint("a").endpoint_id, "splendid")
    await standings.close()

    world = await a_successor(cache)

    assert len(world.under_way) == 1
