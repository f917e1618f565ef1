"""The cache on a Redis that is killed, frozen and emptied: short waits, and back by itself."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from connectors.cache import redis as driver
from connectors.cache.circuit import Circuit
from connectors.cache.redis import PREFIX, RedisCache
from ops.stack.redis import RedisServer
from streams.clock import monotonic_seconds
from tests.fakes import ManualSeconds
from tests.redis_servers import a_redis, client_of

pytestmark = pytest.mark.integration

CALL_SECONDS = 0.3
SLACK_SECONDS = 2.0
"""How much later than its bound a call may come back on a busy machine."""

Make = Callable[..., RedisCache]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with a_redis(tmp_path / "redis") as started:
        yield started


@pytest.fixture
def seconds() -> ManualSeconds:
    """The time of the circuits, which a test moves to let them try again."""
    return ManualSeconds()


@pytest.fixture
async def make(server: RedisServer, seconds: ManualSeconds) -> AsyncIterator[Make]:
    """A cache for each process that there would be; `said` hears of the changes."""
    opened: list[RedisCache] = []

    def made(said: list[bool] | None = None, entries_max: int = 10_000) -> RedisCache:
        observe = None if said is None else said.append
        cache = RedisCache(
            server.url,
            entries_max=entries_max,
            call_seconds_max=CALL_SECONDS,
            circuit=Circuit("the cache", observe=observe, seconds=seconds),
        )
        opened.append(cache)
        return cache

    yield made
    for cache in opened:
        await cache.close()


async def test_two_processes_share_one_limit(server: RedisServer) -> None:
    caches = [RedisCache(server.url, call_seconds_max=30) for _ in range(2)]
    calls = [cache.take("k", per_second=0.01, burst=20) for cache in caches for _ in range(30)]

    taken = await asyncio.gather(*calls)

    assert taken.count(0) == 20
    assert all(0 < wait <= 100 for wait in taken if wait)
    for cache in caches:
        await cache.close()


async def test_two_processes_see_each_others_values(make: Make) -> None:
    one, other = make(), make()
    await one.put("a", b"1", seconds=60)
    await other.put("b", b"2", seconds=60)

    assert [await one.get("b"), await other.get("a")] == [b"2", b"1"]


async def test_every_key_has_the_prefix_and_an_end(make: Make, server: RedisServer) -> None:
    cache = make()
    await cache.put("a", b"1", seconds=1e9, owner="merchant")
    await cache.take("k", per_second=1, burst=5)

    with client_of(server) as client:
        ends = {key: client.pttl(key) for key in client.scan_iter()}
        microseconds = client.get(f"{PREFIX}bucket:k")
    assert len(ends) == 8
    assert all(key.startswith(PREFIX.encode()) for key in ends)
    assert all(0 < end <= driver.VALUE_SECONDS_MAX * 1000 for end in ends.values())
    assert ends[b"keshikomi:bucket:k"] <= 1000
    assert re.fullmatch(rb"\d{16}(\.\d+)?", microseconds)  # not rounded to fewer digits


async def test_a_server_that_is_killed_is_missed_and_comes_back(
    make: Make, server: RedisServer, seconds: ManualSeconds, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="connectors.cache.circuit")
    said: list[bool] = []
    cache = make(said)
    await cache.put("a", b"1", seconds=60)
    server.kill()

    for _ in range(3):
        assert await cache.get("a") is None
        await cache.put("b", b"2", seconds=60)
    server.start()
    server.wait_usable()
    assert await cache.get("a") is None  # it is not asked yet
    seconds.seconds += 1
    await cache.put("c", b"3", seconds=60)

    assert [await cache.get(key) for key in "abc"] == [b"1", None, b"3"]
    assert said == [False, True]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_connection_that_breaks_just_now_is_an_outage(server: RedisServer, loop: str) -> None:
    run = uvloop.run if loop == "uvloop" else asyncio.run

    run(ask_on_a_connection_that_just_broke(server.url))


async def ask_on_a_connection_that_just_broke(url: str) -> None:
    said: list[bool] = []
    cache = RedisCache(url, circuit=Circuit("the cache", observe=said.append))
    await cache.put("a", b"1", seconds=60)
    (connection,) = cache._redis.connection_pool._available_connections  # noqa: SLF001  # no other way

    async def ask() -> str:
        assert isinstance(connection._writer, asyncio.StreamWriter)  # noqa: SLF001  # as above
        connection._writer.transport.abort()  # noqa: SLF001  # the pool has just found it alive
        await asyncio.sleep(0)
        await connection.send_command("PING")
        return "sent"

    assert await cache._call(ask) is None  # noqa: SLF001  # as above
    assert said == [False]
    await cache.close()


async def test_without_a_server_each_process_limits_by_itself(
    make: Make, server: RedisServer
) -> None:
    one, other = make(), make()
    server.kill()

    for cache in (one, other):
        taken = [await cache.take("k", per_second=0.01, burst=3) for _ in range(5)]
        assert [wait == 0 for wait in taken] == [True, True, True, False, False]


async def test_a_frozen_server_costs_one_short_wait_and_mixes_up_no_answers(
    make: Make, server: RedisServer, seconds: ManualSeconds
) -> None:
    said: list[bool] = []
    cache = make(said)
    for key in "abcdefgh":
        await cache.put(key, key.encode(), seconds=60)
    server.freeze()
    began = monotonic_seconds()

    assert await asyncio.gather(*(cache.get(key) for key in "abcdefgh")) == [None] * 8
    for _ in range(1_000):
        assert await cache.get("a") is None
        await cache.put("z", b"z", seconds=60)
    assert await cache.take("k", per_second=1, burst=1) == 0
    assert monotonic_seconds() - began < CALL_SECONDS + SLACK_SECONDS

    # A frozen server takes connections: each try costs one call its bound, and no other.
    for _ in range(2):
        seconds.seconds += 1
        began = monotonic_seconds()
        assert await asyncio.gather(*(cache.get("a") for _ in range(100))) == [None] * 100
        assert CALL_SECONDS / 2 < monotonic_seconds() - began < CALL_SECONDS + SLACK_SECONDS

    server.thaw()
    seconds.seconds += 1
    found = [await cache.get(key) for key in "abcdefgh"]
    assert found == [key.encode() for key in "abcdefgh"]
    assert said == [False, True]


async def test_a_server_that_is_emptied_loses_its_values_and_nothing_breaks(
    make: Make, server: RedisServer
) -> None:
    said: list[bool] = []
    cache = make(said)
    with client_of(server) as client:
        for number in range(20):
            await cache.put(str(number), b"v", seconds=60)
            await cache.take("k", per_second=0.01, burst=1)
            client.flushall()
            client.script_flush()
    await cache.put("a", b"1", seconds=60)

    assert await cache.get("0") is None
    assert await cache.get("a") == b"1"
    assert await cache.take("k", per_second=0.01, burst=1) == 0
    assert said == []


@pytest.mark.parametrize("blow", ["flush", "kill", "freeze"])
async def test_calls_that_are_under_way_end_in_time(
    make: Make, server: RedisServer, blow: str
) -> None:
    cache = make()
    done: list[float] = []

    async def work(number: int) -> None:
        for turn in range(100):
            began = monotonic_seconds()
            await cache.put(f"{number} {turn}", b"v" * 100, seconds=60, owner=str(number))
            found = await cache.get(f"{number} {turn}")
            assert found in {None, b"v" * 100}
            assert await cache.take(f"{number}", per_second=1e6, burst=1_000_000) == 0
            done.append(monotonic_seconds() - began)
            if len(done) == 300:
                strike()

    def strike() -> None:
        if blow == "flush":
            with client_of(server) as client:
                client.flushall()
        else:
            server.kill() if blow == "kill" else server.freeze()

    await asyncio.gather(*(work(number) for number in range(16)))

    assert len(done) == 1_600
    assert max(done) < 3 * CALL_SECONDS + SLACK_SECONDS


async def test_a_call_that_is_given_up_spoils_no_connection(
    make: Make, server: RedisServer
) -> None:
    cache = make()
    for key in "ab":
        await cache.put(key, key.encode(), seconds=60)
    server.freeze()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cache.get("a"), CALL_SECONDS / 10)
    server.thaw()

    assert await cache.get("b") == b"b"


@pytest.mark.parametrize("lost", ["held", "ends", "entries", "bytes", "total", "owner:other"])
async def test_an_account_of_which_redis_evicted_a_part_is_begun_anew(
    make: Make, server: RedisServer, lost: str
) -> None:
    cache = make(entries_max=5)
    for number in range(5):
        await cache.put(str(number), b"v", seconds=60, owner="other" if number % 2 else "")
    with client_of(server) as client:
        client.delete(PREFIX + lost)
    for number in range(5, 25):
        await cache.put(str(number), b"v", seconds=60, owner="other")

    found = {number for number in range(25) if await cache.get(str(number))}
    assert found >= {20, 21, 22, 23, 24}
    assert len(found) < 20  # some are no longer counted, and end by themselves
    with client_of(server) as client:
        assert client.hlen(f"{PREFIX}held") == 5
