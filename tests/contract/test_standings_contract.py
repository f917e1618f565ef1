"""What is told of endpoints is known to the next worker, on every cache, and costs little."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from connectors.cache import standings
from connectors.cache.memory import MemoryCache
from connectors.cache.redis import RedisCache
from connectors.cache.sqlite import SqliteCache
from connectors.cache.standings import KEPT_SECONDS, OWNER, CachedStandings
from streams.domain.errors import Unavailable
from streams.domain.ids import EndpointId
from tests.fakes import ManualSeconds
from tests.real_engines import fresh_name

ONE, OTHER = EndpointId("ep_one"), EndpointId("ep_other")
Cache = MemoryCache | SqliteCache | RedisCache


class Counted:
    """A cache that counts what is put, and refuses it on demand."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self.puts: list[tuple[str, bytes]] = []
        self.seconds: set[float] = set()
        self.is_away = False
        self.was_put = asyncio.Event()

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        if self.is_away:
            raise Unavailable("away")
        return await self._cache.get_many(keys)

    async def put(self, key: str, value: bytes, *, seconds: float, owner: str = "") -> None:
        if self.is_away:
            raise Unavailable("away")
        self.puts.append((key, value))
        self.seconds.add(seconds)
        assert owner == OWNER
        await self._cache.put(key, value, seconds=seconds, owner=owner)
        self.was_put.set()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def cache(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Counted]:
    made: Cache
    if request.param == "memory":
        made = MemoryCache()
    elif request.param == "sqlite":
        made = SqliteCache(tmp_path / "cache.db")
    else:
        url = request.getfixturevalue("redis_server").url
        made = RedisCache(url, prefix=fresh_name("standings"), call_seconds_max=30)
    yield Counted(made)
    await made.close()


@pytest.fixture
def seconds() -> ManualSeconds:
    return ManualSeconds()


Make = Callable[..., CachedStandings]


@pytest.fixture
async def make(cache: Counted, seconds: ManualSeconds) -> AsyncIterator[Make]:
    """The standings of each worker that there would be; unless asked, each writes once."""
    opened: list[CachedStandings] = []

    def made(write_seconds_min: float = 3_600.0, **bounds: int) -> CachedStandings:
        standings = CachedStandings(
            cache, seconds=seconds, write_seconds_min=write_seconds_min, **bounds
        )
        opened.append(standings)
        return standings

    yield made
    for each in opened:
        await each.close()


async def test_the_next_worker_knows_what_the_last_one_said(make: Make) -> None:
    worker = make()
    worker.put(ONE, "healthy")
    worker.put(OTHER, "sick")
    await worker.close()

    assert await make().get([ONE, OTHER, EndpointId("ep_new")]) == {ONE: "healthy", OTHER: "sick"}


async def test_it_is_written_without_being_waited_for(make: Make, cache: Counted) -> None:
    make().put(ONE, "healthy")
    assert cache.puts == []

    await cache.was_put.wait()

    assert await make().get([ONE]) == {ONE: "healthy"}


async def test_the_same_again_is_not_written(make: Make, cache: Counted) -> None:
    worker = make(write_seconds_min=0)
    for _ in range(100):
        worker.put(ONE, "healthy")
        await worker.close()

    assert cache.puts == [(f"standing {ONE}", b"healthy")]


async def test_the_same_is_written_again_before_it_would_be_forgotten(
    make: Make, cache: Counted, seconds: ManualSeconds
) -> None:
    worker = make(write_seconds_min=0)
    worker.put(ONE, "healthy")
    await worker.close()
    seconds.seconds += KEPT_SECONDS / 2
    worker.put(ONE, "healthy")
    await worker.close()

    assert len(cache.puts) == 2
    assert cache.seconds == {KEPT_SECONDS}


async def test_of_what_changes_quickly_the_last_is_written_and_no_more(
    make: Make, cache: Counted
) -> None:
    worker = make()
    worker.put(ONE, "healthy")
    await cache.was_put.wait()
    for number in range(100):
        worker.put(ONE, "slow" if number % 2 else "sick")
        await asyncio.sleep(0)
    assert len(cache.puts) == 1
    await worker.close()

    assert [value for _, value in cache.puts] == [b"healthy", b"slow"]


async def test_what_is_as_it_was_written_needs_no_writing(make: Make, cache: Counted) -> None:
    worker = make()
    worker.put(ONE, "healthy")
    await cache.was_put.wait()
    worker.put(ONE, "sick")
    worker.put(ONE, "healthy")
    await worker.close()

    assert len(cache.puts) == 1


async def test_a_cache_that_is_away_costs_the_hint_and_nothing_else(
    make: Make, cache: Counted
) -> None:
    worker = make(write_seconds_min=0)
    cache.is_away = True
    worker.put(ONE, "healthy")
    await worker.close()
    assert await worker.get([ONE]) == {}
    cache.is_away = False
    worker.put(ONE, "healthy")
    await worker.close()

    assert await worker.get([ONE]) == {ONE: "healthy"}


async def test_what_is_kept_here_is_bounded(make: Make, cache: Counted) -> None:
    worker = make(write_seconds_min=0, pending_max=5, endpoints_max=2)
    many = [EndpointId(f"ep_{number}") for number in range(10)]
    for each in many:
        worker.put(each, "healthy")
    await worker.close()
    assert set(await worker.get(many)) == set(many[:5])
    # The oldest are not remembered as written, and are written again.
    for each in many[:5]:
        worker.put(each, "healthy")
    await worker.close()

    assert len(cache.puts) == 5 + 3


async def test_many_are_read_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "READ_SECONDS_MAX", 30.0)  # else a busy machine cuts them short
    worker = make()
    many = [EndpointId(f"ep_{number}") for number in range(1_200)]
    for each in many:
        worker.put(each, "slow")
    await worker.close()

    assert len(await make().get(many)) == len(many)
    assert await make().get([]) == {}
