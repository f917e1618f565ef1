"""Two API processes whose live feed is a real Redis: whatever happens to it, answers come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api import waiting
from connectors.signals.redis import RedisSignals
from ops.stack.redis import RedisServer
from tests.api_shop import Shop, a_shop
from tests.conftest import Eventually
from tests.redis_servers import a_redis, client_of

pytestmark = pytest.mark.integration

WAITERS = 20


@asynccontextmanager
async def a_shop_on(server: RedisServer, folder: Path) -> AsyncIterator[tuple[Shop, RedisSignals]]:
    """A shop whose archive tells Redis, and whose API listens to it."""
    async with AsyncExitStack() as ends:
        heard, said = (
            RedisSignals(server.url, silence_seconds_max=1.0, pause_seconds=0.1) for _ in range(2)
        )
        for each in (heard, said):
            ends.push_async_callback(each.close)
        shop = await ends.enter_async_context(a_shop(folder, signals=heard))
        shop.world.signals = said
        yield shop, heard


def strike(server: RedisServer, blow: str) -> None:
    if blow == "flush":
        with client_of(server) as client:
            client.flushall()
    elif blow == "kill":
        server.kill()
    else:
        server.freeze()


async def all_wait(shop: Shop, made: list[str]) -> list[asyncio.Task[Any]]:
    return [
        asyncio.create_task(shop.get(f"/v1/invoices/{each}?wait=30&status_was=open"))
        for each in made
    ]


@pytest.mark.parametrize("blow", ["none", "flush", "kill", "freeze"])
async def test_who_waits_is_answered_whatever_happens_to_redis(
    tmp_path: Path, eventually: Eventually, blow: str
) -> None:
    with a_redis(tmp_path / "redis") as server:
        async with a_shop_on(server, tmp_path) as (shop, signals):
            made = [await shop.invoice(f"ORD-{number}") for number in range(WAITERS)]
            await eventually(lambda: signals.is_live)
            asked = await all_wait(shop, made)
            feed = asyncio.create_task(shop.get("/v1/events?wait=30"))
            if blow != "none":
                strike(server, blow)
            for number in range(WAITERS):
                await shop.notice(f"n-{number}", reference=f"ORD-{number}")
            await shop.world.settle()

            async with asyncio.timeout(10):
                shown = await asyncio.gather(*asked)
                page = await feed
            if blow == "freeze":
                server.thaw()

    assert {each["status"] for each in shown} == {"paid"}
    assert page["data"]


async def test_with_a_live_feed_nobody_looks_in_vain(
    tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LIVE_POLL_SECONDS", 3_600.0)
    with a_redis(tmp_path / "redis") as server:
        async with a_shop_on(server, tmp_path) as (shop, signals):
            made = [await shop.invoice(f"ORD-{number}") for number in range(WAITERS)]
            await eventually(lambda: signals.is_live)
            asked = await all_wait(shop, made)
            for number in range(WAITERS):
                await shop.notice(f"n-{number}", reference=f"ORD-{number}")
            await shop.world.settle()
            async with asyncio.timeout(10):
                shown = await asyncio.gather(*asked)

    assert {each["status"] for each in shown} == {"paid"}
