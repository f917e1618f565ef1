"""The whole product under `kill -9`: what was accepted is settled, told, and told under one id."""

from __future__ import annotations

import asyncio
import os
import random
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from loadtests.verify import check_deliveries
from ops.demo_product import Product, free_port, start
from tests.integration.product_world import (
    Merchant,
    World,
    children_of,
    kill,
    pause,
    until,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SEED = 20_261_124
KILLS = 20
NOTICES = 900
NOTICES_PER_SECOND = 40
SETTLED_SECONDS_MAX = 60.0

ENVIRONMENT = {**os.environ, "KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS": "true"}


async def a_product(data: Path, port: int) -> Product:
    product = await start(data, environment=ENVIRONMENT, port=port)
    await product.wait_ready()
    return product


async def kill_at_random(product: Product, chance: random.Random, data: Path) -> Product:
    """Kill one process, now and then the supervisor itself, which a person starts again."""
    victim = chance.choice(["api", "worker", "worker", "archiver", "supervisor"])
    if victim == "supervisor":
        product.process.kill()
        await product.process.wait()
        return await start(data, environment=ENVIRONMENT, port=product.port)
    pid = product.process.pid

    async def runs() -> bool:
        return victim in children_of(pid)

    await until(runs)
    if victim in (children := children_of(pid)):
        kill(children[victim])
    return product


async def load(world: World, merchants: list[Merchant], accepted: dict[str, str]) -> None:
    """Pay invoices at a steady rate; each is reported until it is accepted."""
    tasks = []
    for index in range(NOTICES):
        merchant = merchants[index % len(merchants)]
        number = f"k-{index}"
        tasks.append(asyncio.create_task(pay(world, merchant, number, accepted)))
        await pause(1 / NOTICES_PER_SECOND)
    await asyncio.gather(*tasks)


async def pay(world: World, merchant: Merchant, number: str, accepted: dict[str, str]) -> None:
    answer = await world.pay(merchant, number)
    accepted[number] = answer["notice_id"]


async def test_twenty_kills_under_load_lose_nothing_and_change_no_id(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311  # a seed makes the run the same again
    data = tmp_path / "data"
    product = await a_product(data, free_port())
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        world = World(http, product.url, data)
        async with world.receiver.running():
            merchants = [await world.merchant(path) for path in ("a", "b", "down-c")]
            for index in range(NOTICES):
                await world.bill(merchants[index % 3], f"k-{index}")
            accepted: dict[str, str] = {}
            loading = asyncio.create_task(load(world, merchants, accepted))
            for _ in range(KILLS):
                await pause(chance.uniform(0.2, 1.6))
                product = await kill_at_random(product, chance, data)
            await loading
            await product.wait_ready()
            try:
                await check(world, merchants, accepted, product)
            finally:
                await product.stop()


async def check(
    world: World, merchants: list[Merchant], accepted: dict[str, str], product: Product
) -> None:
    assert len(accepted) == len(set(accepted.values())) == NOTICES
    for merchant, down in zip(merchants, (False, False, True), strict=True):
        mine = {f"k-{n}" for n in range(NOTICES) if merchants[n % 3] is merchant}
        events = await settled_feed(world, merchant, len(mine))
        ids = [event["id"] for event in events]
        assert len(ids) == len(set(ids)) == 2 * len(mine)
        paid = [e for e in events if e["type"] == "invoice.paid"]
        numbers = [e["payload"]["data"]["invoice"]["invoice_number"] for e in paid]
        assert sorted(numbers) == sorted(mine)
        listed = await all_listed(world, merchant, len(ids), is_down=down)
        endpoint = merchant.endpoint_id
        assert not list(check_deliveries("", endpoint, set(ids), listed, complete=not down))
        if down:  # nothing is lost for a server that was down the whole time
            assert {row["status"] for row in listed} <= {"pending", "retrying"}
            continue
        await until(partial(has_heard, merchant, set(ids)))
        assert merchant.paid_numbers() == mine
        assert all(len(bodies) == 1 for bodies in merchant.bodies.values()), "a body changed"
    assert world.receiver.forged == 0
    audit: dict[str, object] = {}

    async def laws_hold() -> bool:
        audit.update(await product.audit())
        return audit["holds"] is True

    await until(laws_hold)
    counts = audit["counts"]
    assert isinstance(counts, dict)
    assert counts["accepted"] == counts["matched"] == NOTICES


async def has_heard(merchant: Merchant, ids: set[str]) -> bool:
    return set(merchant.bodies) == ids


async def settled_feed(world: World, merchant: Merchant, invoices: int) -> list[dict[str, Any]]:
    """The feed once it has the two events of each paid invoice, or as it is at the deadline."""
    events: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(SETTLED_SECONDS_MAX):
            while len(events) < 2 * invoices:
                events = await world.feed(merchant)
    except TimeoutError:
        pass
    return events


async def all_listed(
    world: World, merchant: Merchant, events: int, *, is_down: bool
) -> list[dict[str, Any]]:
    """The merchant's deliveries, once there is one for each event.

    History hears of a delivery after it has heard of its event, and last of its end.
    """
    found: list[dict[str, Any]] = []

    async def are_known() -> bool:
        found[:] = await world.deliveries(merchant)
        has_ended = is_down or all(row["status"] == "delivered" for row in found)
        return len(found) >= events and has_ended

    await until(are_known)
    return found
