"""What every cache owes a claim: of several at once one is put, and everyone sees which."""

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

Make = Callable[[], Cache]
Pass = Callable[[float], Awaitable[None]]


@pytest.fixture
def seconds() -> ManualSeconds:
    return ManualSeconds()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def make(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, seconds: ManualSeconds
) -> AsyncIterator[Make]:
    """Each cache that is made is what another process sees of the same one."""
    memory, prefix = MemoryCache(seconds=seconds), fresh_name("cache")
    opened: list[SqliteCache | RedisCache] = []

    def made() -> Cache:
        if engine == "memory":
            return memory
        if engine == "redis":
            url = request.getfixturevalue("redis_server").url
            opened.append(RedisCache(url, prefix=prefix, call_seconds_max=30))
        else:
            opened.append(SqliteCache(tmp_path / "cache.db", seconds=seconds))
        return opened[-1]

    yield made
    for cache in opened:
        await cache.close()


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


async def test_a_claim_is_put_unless_there_is_a_value(make: Make) -> None:
    cache = make()

    assert await cache.claim("k", b"1", seconds=60) is None
    assert await cache.claim("k", b"2", seconds=60) == b"1"
    assert await cache.get("k") == b"1"
    await cache.put("k", b"3", seconds=60)
    assert await cache.claim("k", b"2", seconds=60) == b"3"
    assert await cache.claim("other", b"2", seconds=60) is None


async def test_what_has_ended_can_be_claimed(make: Make, passing: Pass) -> None:
    cache = make()
    await cache.claim("k", b"1", seconds=1)
    await cache.put("gone", b"1", seconds=0)
    await passing(2)

    assert await cache.claim("k", b"2", seconds=10) is None
    assert await cache.claim("gone", b"2", seconds=10) is None
    assert await cache.get("k") == b"2"


async def test_of_many_who_claim_at_once_one_has_it(make: Make) -> None:
    one, other = make(), make()
    values = [b"%d" % number for number in range(40)]

    answers = await asyncio.gather(
        *((one, other)[at % 2].claim("k", value, seconds=60) for at, value in enumerate(values))
    )

    assert answers.count(None) == 1
    winner = values[answers.index(None)]
    assert {answer for answer in answers if answer is not None} == {winner}
    assert await one.get("k") == await other.get("k") == winner
