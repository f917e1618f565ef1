"""A replay on the running product: whole, byte for byte and once, also under `kill -9`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from ops.demo_product import running
from tests.integration.product_world import Merchant, Receiver, World, children_of, kill, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

INVOICES = 120
REFUSED = {"ORD-3", "ORD-77"}
"""The shop's own fault: it refuses these until it is mended."""
ENVIRONMENT = {**os.environ, "KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS": "true"}


class Shop(Receiver):
    """A receiver that loses what it took, and refuses some of it at first."""

    def __init__(self) -> None:
        super().__init__()
        self.is_mended = False
        self.refused: set[bytes] = set()
        self.order: list[dict[str, Any]] = []
        self.on_first: Callable[[], None] | None = None

    async def receive(self, request: web.Request) -> web.Response:
        """One webhook."""
        body = await request.read()
        told = orjson.loads(body)
        if not self.is_mended and told["data"]["invoice"]["invoice_number"] in REFUSED:
            self.refused.add(body)
            return web.Response(status=400)
        if self.on_first is not None:
            self.on_first()
            self.on_first = None
        self.order.append(told)
        return await super().receive(request)


async def all_told(world: World, merchant: Merchant) -> None:
    """Every invoice is paid; what the shop took is delivered, and the rest has failed."""
    path = f"/v1/endpoints/{merchant.endpoint_id}"
    await world.call("PATCH", path, want=200, json={"retry_seconds": [1]}, headers=merchant.auth)
    numbers = [f"ORD-{number}" for number in range(INVOICES)]
    await asyncio.gather(*(world.bill(merchant, number) for number in numbers))
    await asyncio.gather(*(world.pay(merchant, number) for number in numbers))

    async def is_over() -> bool:
        found = await world.call("GET", f"{path}/completeness", want=200, headers=merchant.auth)
        return (found["last"], found["pending"], found["unknown"]) == (2 * INVOICES, [], [])

    await until(is_over)


async def replayed(world: World, merchant: Merchant) -> dict[str, Any]:
    """A replay of everything, as it is shown once it is done."""
    path = f"/v1/endpoints/{merchant.endpoint_id}/replays"
    asked = {"statuses": ["delivered", "failed"]}
    begun = await world.call("POST", path, want=202, json=asked, headers=merchant.auth)
    shown: dict[str, Any] = {}

    async def is_done() -> bool:
        shown.update(
            await world.call("GET", f"{path}/{begun['id']}", want=200, headers=merchant.auth)
        )
        return bool(shown["status"] == "done")

    await until(is_done)
    return shown


def in_order(order: list[dict[str, Any]]) -> bool:
    """Whether the notifications of each invoice came as they were told first."""
    numbers: dict[str, int] = {}
    for told in order:
        number, last = told["data"]["invoice"]["invoice_number"], told["sequence"]
        if numbers.setdefault(number, last) > last:
            return False
        numbers[number] = last
    return True


async def test_a_replay_sends_everything_once_more_though_the_archiver_is_killed(
    tmp_path: Path,
) -> None:
    data, timeout = tmp_path / "data", aiohttp.ClientTimeout(total=10)
    async with (
        running(data, environment=ENVIRONMENT) as product,
        aiohttp.ClientSession(timeout=timeout) as http,
    ):
        world = World(http, product.url, data)
        shop = world.receiver = Shop()
        async with shop.running():
            await product.wait_ready()
            merchant = await world.merchant("a")
            await all_told(world, merchant)
            before = {event_id: set(bodies) for event_id, bodies in merchant.bodies.items()}
            shop.is_mended, shop.order = True, []
            archiver = children_of(product.process.pid)["archiver"]
            shop.on_first = lambda: kill(archiver)
            shown = await replayed(world, merchant)

            async def has_come() -> bool:
                return sum(merchant.times.values()) >= len(before) + 2 * INVOICES

            await until(has_come)

            async def is_listed() -> bool:
                """History is a moment behind."""
                rows = await world.deliveries(merchant)
                causes = {(row["round"], row["cause"], row["replay_id"]) for row in rows}
                return causes == {(1, "replay", shown["id"])}

            await until(is_listed)
        restarted = children_of(product.process.pid)["archiver"]

    assert restarted != archiver
    assert (shown["found"], shown["resent"]) == (2 * INVOICES, 2 * INVOICES)
    assert (len(before), len(merchant.bodies)) == (2 * INVOICES - 4, 2 * INVOICES)
    # Each once more, and what came is what had come, or had been refused, to the byte.
    assert {event_id: merchant.bodies[event_id] for event_id in before} == before
    again = {event_id: 1 if event_id in before else 0 for event_id in merchant.bodies}
    assert merchant.times == {event_id: first + 1 for event_id, first in again.items()}
    late = {event_id: merchant.bodies[event_id] for event_id in merchant.bodies.keys() - before}
    assert {body for bodies in late.values() for body in bodies} == shop.refused
    assert in_order(shop.order)
