"""The cache and the live feed with the rights on Redis that docs/operate.md names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.cache.redis import RedisCache
from connectors.signals.redis import RedisSignals
from ops.check import check
from ops.settings import Settings
from ops.stack.redis import RedisServer
from tests.conftest import Eventually
from tests.redis_servers import a_redis, client_of
from tests.rights import acl_words

pytestmark = pytest.mark.integration

PASSWORD = "sesame-of-the-test"
CALL_SECONDS = 2.0
ENTRIES_MAX = 2
NO_RIGHT_NEEDED = {"auth", "hello", "acl|setuser", "acl|log", "config|resetstat"}
"""What anybody may, and what the test itself does in between."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with a_redis(tmp_path / "redis") as started:
        yield started


def commands(server: RedisServer) -> set[str]:
    """All that were run since the figures were set back."""
    with client_of(server) as client:
        return {name.removeprefix("cmdstat_") for name in client.info("commandstats")}


def refused(server: RedisServer) -> list[object]:
    """What somebody had no right to."""
    with client_of(server) as client:
        return [each["object"] for each in client.acl_log()]


async def use_cache(url: str) -> None:
    """All that the cache ever does: so many of one owner that the oldest are forgotten."""
    cache = RedisCache(
        url, password=PASSWORD, entries_max=ENTRIES_MAX, call_seconds_max=CALL_SECONDS
    )
    for key in ("a", "b", "c"):
        await cache.put(key, b"1", seconds=60)
    assert await cache.get_many(["a", "b", "c"]) == {"b": b"1", "c": b"1"}
    assert await cache.claim("c", b"2", seconds=60) == b"1"
    assert await cache.get("c") == b"1"
    assert await cache.take("d", per_second=0.001, burst=1) == 0
    assert await cache.take("d", per_second=0.001, burst=1) > 0
    assert await cache.version()
    await cache.close()


async def use_signals(url: str, server: RedisServer, eventually: Eventually) -> None:
    """Somebody hears, and goes on for so long that he asks for a sign of life."""
    signals = RedisSignals(url, password=PASSWORD, call_seconds_max=CALL_SECONDS)
    heard: list[frozenset[str] | None] = []
    signals.listen(heard.append)
    await eventually(lambda: signals.is_live)
    signals.publish(["inv_1"])
    await eventually(lambda: frozenset({"inv_1"}) in heard)
    await eventually(lambda: "ping" in commands(server))
    assert signals.is_live
    await signals.close()


async def test_the_rights_of_the_docs_are_enough_and_all_are_used(
    tmp_path: Path, server: RedisServer, eventually: Eventually
) -> None:
    words = acl_words(PASSWORD)
    url = server.url.replace("//", "//keshikomi@")
    with client_of(server) as client:
        client.execute_command(*words)
        client.config_resetstat()

    await use_cache(url)
    await use_signals(url, server, eventually)
    settings = Settings(data=tmp_path / "data", cache=url, cache_password=PASSWORD)
    (found,) = [each for each in await check(settings) if each.name == "cache"]

    assert not found.is_fault, found.sentence
    assert refused(server) == []
    may = {word.removeprefix("+") for word in words if word.startswith("+")}
    assert commands(server) - NO_RIGHT_NEEDED == may
