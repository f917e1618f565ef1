"""What every cache owes the API: values end, bounds hold, nobody pushes out what is another's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from api.ports import Cache
from connectors.cache.memory import MemoryCache
from connectors.cache.redis import RedisCache
from connectors.cache.sqlite import SqliteCache
from tests.conftest import Eventually
from tests.fakes import ManualSeconds
from tests.real_engines import fresh_name
from tests.redis_servers import past

Make = Callable[..., Cache]
Pass = Callable[[float], Awaitable[None]]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def seconds() -> ManualSeconds:
    return ManualSeconds()


@pytest.fixture
async def make(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, seconds: ManualSeconds
) -> AsyncIterator[Make]:
    opened: list[SqliteCache | RedisCache] = []
    fell_back: list[bool] = []

    def made(*, entries_max: int = 1_000, bytes_max: int = 100_000) -> Cache:
        if engine == "memory":
            return MemoryCache(entries_max=entries_max, bytes_max=bytes_max, seconds=seconds)
        cache: SqliteCache | RedisCache
        if engine == "redis":
            cache = RedisCache(
                request.getfixturevalue("redis_server").url,
                prefix=fresh_name("cache"),
                call_seconds_max=30,
                observe=fell_back.append,
                entries_max=entries_max,
                bytes_max=bytes_max,
            )
        else:
            cache = SqliteCache(
                tmp_path / "cache.db",
                seconds=seconds,
                buckets=MemoryCache(seconds=seconds),
                entries_max=entries_max,
                bytes_max=bytes_max,
            )
        opened.append(cache)
        return cache

    yield made
    for cache in opened:
        await cache.close()
    assert fell_back == [], "Redis refused a call, and what answered was not Redis"


@pytest.fixture
def passing(
    engine: str, request: pytest.FixtureRequest, seconds: ManualSeconds, eventually: Eventually
) -> Pass:
    """Let seconds go by: Redis has a clock of its own, which is waited for."""

    async def passed(given: float) -> None:
        if engine == "redis":
            await eventually(past(request.getfixturevalue("redis_server"), given))
        seconds.seconds += given

    return passed


async def test_a_value_ends_after_its_time(make: Make, passing: Pass) -> None:
    cache = make()
    await cache.put("a", b"1", seconds=2)

    await passing(0.5)
    assert await cache.get("a") == b"1"
    await passing(1.5)
    assert await cache.get("a") is None
    await cache.put("b", b"2", seconds=10)
    assert await cache.get("a") is None


async def test_what_has_ended_is_no_longer_counted(make: Make, passing: Pass) -> None:
    cache = make(entries_max=3)
    for key in "ab":
        await cache.put(key, b"0", seconds=0.1, owner="a")
    await passing(0.1)
    for key in "yz":
        await cache.put(key, b"1", seconds=60, owner="z")

    assert [await cache.get(key) for key in "abyz"] == [None, None, b"1", b"1"]


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


@pytest.mark.parametrize("bounds", [{"entries_max": 20}, {"bytes_max": 20}])
async def test_many_owners_are_bounded_together(make: Make, bounds: dict[str, int]) -> None:
    cache = make(**bounds)
    keys = [str(number) for number in range(50)]
    for key in keys:
        await cache.put(key, b"v", seconds=10, owner=f"owner\n {key}")

    assert [await cache.get(key) for key in keys].count(b"v") == 20


async def test_many_at_once(make: Make) -> None:
    cache = make()
    keys = [str(number) for number in range(50)]
    await asyncio.gather(*(cache.put(key, key.encode(), seconds=10) for key in keys))

    found = await asyncio.gather(*(cache.get(key) for key in keys))

    assert found == [key.encode() for key in keys]


async def test_a_bucket_gives_its_burst_and_then_its_rate(make: Make, passing: Pass) -> None:
    cache = make()
    taken = [await cache.take("k", per_second=0.5, burst=3) for _ in range(4)]
    # A clock of its own goes on between two calls; the seconds of the others stand still.
    assert taken == [0, 0, 0, pytest.approx(2, abs=1)]
    assert taken[3] <= 2
    await passing(2)

    assert await cache.take("k", per_second=0.5, burst=3) == 0
    assert await cache.take("k", per_second=0.5, burst=3) > 0
    assert await cache.take("other", per_second=0.5, burst=3) == 0


async def test_a_bucket_is_never_fuller_than_its_burst(make: Make, passing: Pass) -> None:
    cache = make()
    await cache.take("k", per_second=1, burst=1)
    await passing(2)

    assert await cache.take("k", per_second=1, burst=1) == 0
    assert await cache.take("k", per_second=1, burst=1) > 0


async def test_a_bucket_without_a_limit_worth_the_name_always_gives(make: Make) -> None:
    cache = make()

    taken = [await cache.take("k", per_second=1e9, burst=2_000_000_000) for _ in range(20)]

    assert taken == [0] * 20
