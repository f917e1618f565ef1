"""The circuit around Redis: one failure opens it, one try at a time closes it, both are told."""

from __future__ import annotations

import logging

import pytest

from connectors.cache.circuit import Circuit
from connectors.cache.opening import open_cache
from connectors.cache.redis import RedisCache
from streams.domain.errors import Unavailable
from tests.fakes import ManualSeconds


def test_after_a_failure_one_call_in_each_pause_tries() -> None:
    seconds = ManualSeconds()
    circuit = Circuit("it", seconds=seconds, pause_seconds=1)
    assert [circuit.admits() for _ in range(2)] == [True, True]

    circuit.failed(OSError("gone"))
    assert [circuit.admits() for _ in range(2)] == [False, False]
    for _ in range(3):
        seconds.seconds += 1
        assert [circuit.admits() for _ in range(2)] == [True, False]
    circuit.succeeded()

    assert [circuit.admits() for _ in range(2)] == [True, True]
    assert circuit.is_closed


def test_a_try_that_fails_waits_a_whole_pause_again() -> None:
    seconds = ManualSeconds()
    circuit = Circuit("it", seconds=seconds, pause_seconds=1)
    circuit.failed(OSError())
    seconds.seconds += 1
    assert circuit.admits()
    seconds.seconds += 0.5
    circuit.failed(OSError())
    seconds.seconds += 0.5

    assert not circuit.admits()
    seconds.seconds += 0.5
    assert circuit.admits()


def test_each_change_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="connectors.cache.circuit")
    said: list[bool] = []
    circuit = Circuit("it", observe=said.append, seconds=ManualSeconds())
    for _ in range(2):
        circuit.succeeded()
        for _ in range(3):
            circuit.failed(TimeoutError())
        for _ in range(3):
            circuit.succeeded()

    assert said == [False, True, False, True]
    assert caplog.messages == ["it is away: TimeoutError", "it answers again"] * 2


async def test_without_anything_listening_the_cache_is_forgetful_and_limits_hold_here() -> None:
    cache = open_cache("redis://127.0.0.1:1")
    assert isinstance(cache, RedisCache)
    await cache.put("a", b"1", seconds=60)

    assert await cache.get("a") is None
    assert [await cache.take("k", per_second=0.001, burst=2) > 0 for _ in range(3)] == [0, 0, 1]
    with pytest.raises(Unavailable):
        await cache.version()
    await cache.close()


async def test_a_cache_is_opened_by_its_url() -> None:
    for url in ("memory://", "sqlite:///nowhere/cache.db", "rediss://127.0.0.1:1"):
        await open_cache(url).close()

    with pytest.raises(Unavailable):
        open_cache("memcached://x")
