"""The live feed on a Redis that is killed, frozen and emptied: nothing hangs, and it comes back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from connectors.signals import redis as driver
from connectors.signals.redis import RedisSignals
from ops.stack.redis import RedisServer
from tests.conftest import Eventually
from tests.redis_servers import a_redis, client_of

pytestmark = pytest.mark.integration

Make = Callable[[], RedisSignals]
Heard = list[frozenset[str] | None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with a_redis(tmp_path / "redis") as started:
        yield started


@pytest.fixture
async def make(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """A feed for each process that there would be."""
    monkeypatch.setattr(driver, "PING_SECONDS", 0.1)
    opened: list[RedisSignals] = []

    def made() -> RedisSignals:
        opened.append(RedisSignals(server.url, silence_seconds_max=1.0, pause_seconds=0.1))
        return opened[-1]

    yield made
    for each in opened:
        await each.close()


async def hears(signals: RedisSignals, eventually: Eventually) -> Heard:
    heard: Heard = []
    signals.listen(heard.append)
    await eventually(lambda: signals.is_live)
    return heard


@pytest.mark.parametrize("blow", ["kill", "freeze"])
async def test_a_server_that_goes_is_missed_and_who_listens_is_told_to_look_when_it_is_back(
    make: Make,
    server: RedisServer,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    blow: str,
) -> None:
    caplog.set_level(logging.INFO, logger="connectors.cache.circuit")
    listener, speaker = make(), make()
    heard = await hears(listener, eventually)
    assert heard == [None]

    server.kill() if blow == "kill" else server.freeze()
    speaker.publish(["inv_lost"])
    await eventually(lambda: not listener.is_live)
    heard.clear()
    if blow == "kill":
        server.start()
        server.wait_usable()
    else:
        server.thaw()
    await eventually(lambda: listener.is_live)

    assert None in heard  # what was said meanwhile is looked for
    heard.clear()

    def said() -> bool:
        # Its circuit is closed again a moment later; what it says before is lost, as it may be.
        speaker.publish(["inv_b"])
        return frozenset({"inv_b"}) in heard

    await eventually(said)
    lines = [record.getMessage() for record in caplog.records]
    assert sum("is away" in line for line in lines) == 2  # once in each
    assert sum("answers again" in line for line in lines) == 2


async def test_an_emptied_server_loses_no_subscription(
    make: Make, server: RedisServer, eventually: Eventually
) -> None:
    listener, speaker = make(), make()
    heard = await hears(listener, eventually)
    with client_of(server) as client:
        client.flushall()

    speaker.publish(["inv_a"])

    await eventually(lambda: frozenset({"inv_a"}) in heard)
    assert listener.is_live


async def test_a_connection_that_redis_ends_is_made_again(
    make: Make, server: RedisServer, eventually: Eventually
) -> None:
    listener, speaker = make(), make()
    heard = await hears(listener, eventually)
    with client_of(server) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await eventually(lambda: heard.count(None) > 2)

    speaker.publish(["inv_a"])

    await eventually(lambda: frozenset({"inv_a"}) in heard)


async def test_a_quiet_feed_stays_live(
    make: Make, server: RedisServer, eventually: Eventually
) -> None:
    listener = make()
    heard = await hears(listener, eventually)
    with client_of(server) as client:
        before = client.info("commandstats")["cmdstat_ping"]["calls"]

        def pinged() -> bool:
            calls = client.info("commandstats")["cmdstat_ping"]["calls"]
            return bool(calls > before + 15)  # for longer than it would stand silence

        await eventually(pinged)

    assert heard == [None]


async def test_a_server_that_lets_us_not_in_is_no_error_of_ours(
    make: Make, server: RedisServer, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(server) as client:
        client.config_set("requirepass", "secret")
        listener = make()
        heard: Heard = []
        listener.listen(heard.append)
        listener.publish(["inv_a"])
        await eventually(lambda: bool(heard))

    assert not listener.is_live
    assert "the live feed on Redis is away" in caplog.text
    assert "secret" not in caplog.text
