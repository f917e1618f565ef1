"""What every cache owes the API: values end, bounds hold, nobody pushes out what is another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from api.ports import Cache
from connectors.cache.memory import MemoryCache
from connectors.cache.sqlite import SqliteCache
from tests.fakes import ManualSeconds

Make = Callable[..., Cache]


@pytest.fixture
def seconds() -> ManualSeconds:
    return ManualSeconds()


@pytest.fixture(params=["memory", "sqlite"])
async def make(
    request: pytest.FixtureRequest, tmp_path: Path, seconds: ManualSeconds
) -> AsyncIterator[Make]:
    opened: list[SqliteCache] = []

    def made(**bounds: int) -> Cache:
        if request.param == "memory":
            return MemoryCache(seconds=seconds, **bounds)
        buckets = MemoryCache(seconds=seconds)
        cache = SqliteCache(tmp_path / "cache.db", seconds=seconds, buckets=buckets, **bounds)
        opened.append(cache)
        return cache

    yield made
    for cache in opened:
        await cache.close()


async def test_a_value_ends_after_its_time(make: Make, seconds: ManualSeconds) -> None:
    cache = make()
    await cache.put("a", b"1", seconds=10)

    seconds.seconds += 9
    assert await cache.get("a") == b"1"
    seconds.seconds += 1
    assert await cache.get("a") is None
    await cache.put("b", b"2", seconds=10)
    assert await cache.get("a") is None


async def test_a_value_is_put_in_place_of_the_one_before(make: Make) -> None:
    cache = make()
    await cache.put("a", b"1", seconds=10, owner="first")
    await cache.put("a", b"\x00\xff", seconds=10, owner="second")

    assert await cache.get("a") == b"\x00\xff"
    assert await cache.get("b") is None


async def test_entries_are_bounded_and_the_oldest_goes_first(make: Make) -> None:
    cache = make(entries_max=2)
    for key in "abc":
        await cache.put(key, key.encode(), seconds=10)

    assert [await cache.get(key) for key in "abc"] == [None, b"b", b"c"]


async def test_bytes_are_bounded_and_counted_once_per_value(make: Make) -> None:
    cache = make(bytes_max=10)
    for _ in range(5):
        await cache.put("a", b"1" * 6, seconds=10)
    await cache.put("b", b"2" * 4, seconds=10)

    assert await cache.get("a") == b"1" * 6
    await cache.put("c", b"3" * 4, seconds=10)
    assert [await cache.get(key) for key in "abc"].count(None) == 1


async def test_a_value_over_the_bound_is_not_kept_and_breaks_nothing(make: Make) -> None:
    cache = make(bytes_max=10)
    await cache.put("a", b"1" * 4, seconds=10, owner="small")
    await cache.put("b", b"2" * 40, seconds=10, owner="large")

    assert [await cache.get(key) for key in "ab"] == [b"1" * 4, None]


@pytest.mark.parametrize("bounds", [{"entries_max": 20}, {"bytes_max": 20}])
async def test_nobody_pushes_out_what_is_anothers(make: Make, bounds: dict[str, int]) -> None:
    cache = make(**bounds)
    for number in range(5):
        await cache.put(f"theirs {number}", b"t", seconds=10, owner="theirs")
    for number in range(100):
        await cache.put(f"mine {number}", b"m", seconds=10, owner="mine")

    assert all([await cache.get(f"theirs {number}") for number in range(5)])
    assert await cache.get("mine 99") == b"m"
    assert await cache.get("mine 0") is None


async def test_many_at_once(make: Make) -> None:
    cache = make()
    keys = [str(number) for number in range(50)]
    await asyncio.gather(*(cache.put(key, key.encode(), seconds=10) for key in keys))

    found = await asyncio.gather(*(cache.get(key) for key in keys))

    assert found == [key.encode() for key in keys]


async def test_a_bucket_gives_its_burst_and_then_its_rate(
    make: Make, seconds: ManualSeconds
) -> None:
    cache = make()
    taken = [await cache.take("k", per_second=2, burst=3) for _ in range(4)]
    seconds.seconds += 0.5

    assert taken == [0, 0, 0, 0.5]
    assert await cache.take("k", per_second=2, burst=3) == 0
    assert await cache.take("k", per_second=2, burst=3) > 0
    assert await cache.take("other", per_second=2, burst=3) == 0
