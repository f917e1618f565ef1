"""`keshikomi demo`: the whole product at work, with simulated channels and a shop of its own.

Nothing is faked: the product is started as `keshikomi up` starts it, notices go to it over HTTP
in the bytes of their providers, and the shop believes only what it verified. What is shown at
the end is added up from the product's own audit, its pull feed and what the shop saw.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from ops.demo_market import Market, open_market
from ops.demo_plays import Payment, hanging_server
from ops.demo_product import Product, ProductFailed, running
from ops.demo_scenes import Scene, cast_of
from ops.demo_shop import Missing, Shop, open_shop
from ops.demo_show import Stage, delays, sums, verdicts
from ops.settings import PREFIX, Settings

PACE_SECONDS = 0.12
PACE_ALL_SECONDS = 10.0
SETTLE_TRIES = 12
SETTLE_PAUSE_SECONDS = 0.5
AT_ONCE_MAX = 64
CI = "CI"

Cast = Sequence[tuple[Scene, list[Payment]]]


def run_demo(settings: Settings, payments: int) -> int:  # noqa: ARG001  # every command has them
    """Show so many payments; 0 when every one of them did what it had to do.

    The settings of the caller are left alone: the demo has a data directory, a port and keys of its
    own, and removes them when it ends.
    """
    console = Console(soft_wrap=not sys.stdout.isatty())
    is_live = console.is_terminal and not os.environ.get(CI)
    cast = cast_of(payments)
    stage = Stage(console, [each for _, group in cast for each in group], is_live=is_live)
    try:
        return asyncio.run(_demo(stage, cast))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 1


async def _demo(stage: Stage, cast: Cast) -> int:
    admin_key = secrets.token_hex(16)
    ourselves = asyncio.current_task()
    assert ourselves is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ourselves.cancel)
    with tempfile.TemporaryDirectory(prefix="keshikomi-demo-") as folder:
        environment = _environment(admin_key)
        stage.say("starting the product (keshikomi up) ...")
        try:
            async with (
                open_shop() as shop,
                running(Path(folder) / "data", environment=environment) as product,
            ):
                ready = await product.wait_ready()
                stage.say(f"ready after {ready:.1f} s at {product.url}")
                return await _show(stage, cast, product, shop, admin_key)
        except (ProductFailed, Missing) as error:
            stage.say(f"FAIL  {error}")
            return 1


def _environment(admin_key: str) -> Mapping[str, str]:
    """Ours without any setting of the product, and what the demo sets."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return others | {
        f"{PREFIX}ADMIN_KEY": admin_key,
        f"{PREFIX}ALLOW_PRIVATE_ENDPOINTS": "true",  # the shop is on this machine
        f"{PREFIX}RATE_LIMIT_PER_SECOND": "1000000",  # one key does the work of many
    }


async def _show(stage: Stage, cast: Cast, product: Product, shop: Shop, admin_key: str) -> int:
    connector = aiohttp.TCPConnector(limit=AT_ONCE_MAX)
    async with aiohttp.ClientSession(product.url, connector=connector) as http:
        market = await open_market(http, product, shop, admin_key)
        with stage:
            await _play_all(stage, cast, market)
        counts, faults = await _truth(market, cast)
    payments = [each for _, group in cast for each in group]
    results = list(verdicts(cast))
    stage.say("")
    for is_right, sentence in results:
        word, style = ("PASS", "green") if is_right else ("FAIL", "red")
        stage.say(f"{word}  {sentence}", style)
    for fault in faults:
        stage.say(f"FAIL  {fault}", "red")
    stage.say("")
    for sentence in [*(sums(counts) if counts else []), _of_shop(shop), delays(payments)]:
        stage.say(sentence)
    is_right = not faults and all(right for right, _ in results)
    stage.say("everything adds up" if is_right else "something is MISSING, see FAIL above")
    return 0 if is_right else 1


async def _play_all(stage: Stage, cast: Cast, market: Market) -> None:
    pace = min(PACE_SECONDS, PACE_ALL_SECONDS / len(cast))
    places = asyncio.Semaphore(AT_ONCE_MAX)
    async with asyncio.TaskGroup() as tasks:
        for scene, payments in cast:
            tasks.create_task(_play(stage, scene, payments, market, places))
            await asyncio.sleep(pace)


async def _play(
    stage: Stage,
    scene: Scene,
    payments: Sequence[Payment],
    market: Market,
    places: asyncio.Semaphore,
) -> None:
    async with places:
        stage.begin(payments)
        try:
            await scene.play(market, payments)
        except (Missing, aiohttp.ClientError, TimeoutError) as error:
            for payment in payments:
                payment.problem = str(error) or type(error).__name__
        stage.end(payments)


async def _truth(market: Market, cast: Cast) -> tuple[dict[str, int], list[str]]:
    """What the product counts once it has come to rest, and everything that differs."""
    counts: dict[str, int] = {}
    faults: list[str] = []
    for _ in range(SETTLE_TRIES):
        audit = await market.product.audit()
        counts = _counts_of(audit)
        faults = list(_audit_faults(audit, counts, market))
        if not faults:
            faults = await _feed_faults(market, cast, counts["notified"] - counts["delivered"])
        if not faults:
            break
        await asyncio.sleep(SETTLE_PAUSE_SECONDS)
    return counts, faults


def _counts_of(audit: Mapping[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = audit.get("counts") or {}
    return counts


def _audit_faults(
    audit: Mapping[str, Any], counts: Mapping[str, int], market: Market
) -> Iterator[str]:
    if audit["exit_status"] != 0 or not counts:
        yield f"the audit: {audit.get('differences') or audit.get('output')}"
        return
    if counts["accepted"] != market.notices:
        yield f"{market.notices} notices were acknowledged, {counts['accepted']} accepted"
    if counts["in_flight"]:
        yield f"{counts['in_flight']} notices are still on their way"
    if counts["repeated"] != market.repeats:
        yield f"{market.repeats} repeats were sent, {counts['repeated']} were counted"
    if counts["delivered"] != len(market.shop.told):
        yield f"the shop has {len(market.shop.told)} webhooks, {counts['delivered']} delivered"


async def _feed_faults(market: Market, cast: Cast, waiting: int) -> list[str]:
    """The pull feeds against what the shop was told, and against what the hanging one was not."""
    faults: list[str] = []
    ids = [event["id"] for event in await market.feed(market.merchant)]
    if len(set(ids)) != len(ids) or set(ids) != set(market.shop.told):
        faults.append(f"the feed has {len(ids)} events, the shop has {len(market.shop.told)}")
    if market.shop.forged:
        faults.append(f"{market.shop.forged} webhooks had no valid signature")
    hanging = sum(len(group) for scene, group in cast if scene.play is hanging_server)
    types = [event["type"] for event in await market.feed(market.hanging)]
    if types.count("invoice.paid") != hanging:
        faults.append(f"the feed of the hanging merchant has {types} for {hanging} payments")
    if len(types) != waiting:
        faults.append(f"{waiting} webhooks wait, and the hanging merchant's feed has {len(types)}")
    return faults


def _of_shop(shop: Shop) -> str:
    return (
        f"the shop verified {len(shop.told)} webhooks ({shop.repeats} came again), released "
        f"{len(shop.released)} orders and stopped {len(shop.stopped)}; the hanging server was "
        f"tried {shop.hanging} times"
    )
