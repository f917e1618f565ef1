"""The memory cache is bounded, forgets in time, and counts callers by token buckets."""

from __future__ import annotations

from connectors.cache.memory import MemoryCache
from tests.fakes import ManualSeconds


async def test_a_value_ends_after_its_time() -> None:
    seconds = ManualSeconds()
    cache = MemoryCache(seconds=seconds)
    await cache.put("a", b"1", seconds=10)

    seconds.seconds += 9
    assert await cache.get("a") == b"1"
    seconds.seconds += 1
    assert await cache.get("a") is None


async def test_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(entries_max=2)
    await cache.put("a", b"1", seconds=10)
    await cache.put("b", b"2", seconds=10)
    await cache.get("a")
    await cache.put("c", b"3", seconds=10)

    assert [await cache.get(key) for key in "abc"] == [b"1", None, b"3"]


async def test_bytes_are_bounded_and_counted_once_per_value() -> None:
    cache = MemoryCache(bytes_max=10)
    for _ in range(5):
        await cache.put("a", b"1" * 6, seconds=10)
    await cache.put("b", b"2" * 4, seconds=10)

    assert await cache.get("a") == b"1" * 6
    await cache.put("c", b"3" * 4, seconds=10)
    assert await cache.get("b") is None


async def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    seconds = ManualSeconds()
    cache = MemoryCache(seconds=seconds)

    taken = [await cache.take("k", per_second=2, burst=3) for _ in range(4)]
    seconds.seconds += 0.5

    assert taken == [0, 0, 0, 0.5]
    assert await cache.take("k", per_second=2, burst=3) == 0
    assert await cache.take("k", per_second=2, burst=3) > 0
    assert await cache.take("other", per_second=2, burst=3) == 0


async def test_buckets_are_bounded() -> None:
    cache = MemoryCache(buckets_max=1, seconds=ManualSeconds())
    await cache.take("a", per_second=1, burst=1)
    await cache.take("b", per_second=1, burst=1)

    assert await cache.take("a", per_second=1, burst=1) == 0
