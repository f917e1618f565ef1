"""What is the memory cache's own: what was used is kept longer, and its buckets are bounded."""

from __future__ import annotations

from connectors.cache.memory import MemoryCache
from tests.fakes import ManualSeconds


async def test_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(entries_max=2)
    await cache.put("a", b"1", seconds=10)
    await cache.put("b", b"2", seconds=10)
    await cache.get("a")
    await cache.put("c", b"3", seconds=10)

    assert [await cache.get(key) for key in "abc"] == [b"1", None, b"3"]


async def test_buckets_are_bounded() -> None:
    cache = MemoryCache(buckets_max=1, seconds=ManualSeconds())
    await cache.take("a", per_second=1, burst=1)
    await cache.take("b", per_second=1, burst=1)

    assert await cache.take("a", per_second=1, burst=1) == 0
