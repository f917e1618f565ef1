"""Workers join a product on Kafka and die: partitions move, and with them all work."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from loadtests.verify import check_deliveries, check_order
from ops.demo_product import Product, free_port, start
from ops.stack.kafka import KafkaServer
from ops.stack.redis import RedisServer
from streams.clock import monotonic_seconds
from tests.faults.scale import AS_IN_THE_DOCS, SCALE
from tests.integration.kafka_workers import StageWorker, end_all, members, start_worker
from tests.integration.product_world import (
    Merchant,
    Receiver,
    World,
    pause,
    until,
)
from tests.integration.test_product_on_real_engines import environment

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

STAGES = ("resolving", "settling", "notifying")
MERCHANTS = 8
NOTICES_PER_INVOICE = 2
NOTICES_PER_SECOND = 300 if SCALE is AS_IN_THE_DOCS else 100
INVOICES = 25 * NOTICES_PER_SECOND // NOTICES_PER_INVOICE
JOIN_AFTER_SECONDS = 4.0
SHARED_SECONDS = 4.0
READY_SECONDS_MAX = 60.0
TOLD_SECONDS_MAX = 120.0
PAUSE_SECONDS_MAX = 10.0
STATES = ["invoice.part_paid", "invoice.paid"]
TOLD = NOTICES_PER_INVOICE + len(STATES)
"""Each invoice: its payments and its states."""


class Arrivals(Receiver):
    """Remembers when each webhook came."""

    def __init__(self) -> None:
        super().__init__()
        self.came: dict[str, list[float]] = defaultdict(list)

    async def receive(self, request: web.Request) -> web.Response:
        """One webhook."""
        self.came[request.match_info["path"]].append(monotonic_seconds())
        return await super().receive(request)

    def longest_pause(self) -> float:
        """The longest time, in seconds, in which some merchant heard nothing."""
        gaps = (itertools.pairwise(sorted(times)) for times in self.came.values())
        return max(after - before for pairs in gaps for before, after in pairs)


@dataclass(kw_only=True)
class Load:
    """Notices at a rate: each invoice is paid in two parts, the second once the first is in."""

    world: World
    merchants: list[Merchant]
    accepted: set[str] = field(default_factory=set)

    def merchant(self, invoice: int) -> Merchant:
        return self.merchants[invoice % MERCHANTS]

    async def bill(self) -> None:
        numbers = iter(range(INVOICES))

        async def one_by_one() -> None:
            for number in numbers:
                await self.world.bill(self.merchant(number), f"m-{number}")

        await asyncio.gather(*(one_by_one() for _ in range(MERCHANTS)))

    async def pay(self) -> None:
        began = monotonic_seconds()
        async with asyncio.TaskGroup() as tasks:
            for number in range(INVOICES):
                at = began + number * NOTICES_PER_INVOICE / NOTICES_PER_SECOND
                await pause(max(at - monotonic_seconds(), 0))
                tasks.create_task(self._pay_in_parts(number))

    async def _pay_in_parts(self, number: int) -> None:
        for part in range(NOTICES_PER_INVOICE):
            notice_id = f"m-{number}-{part}"
            notice = {
                "notice_id": notice_id,
                "payment_id": notice_id,
                "kind": "confirmed",
                "amount_yen": 1_000 // NOTICES_PER_INVOICE,
            }
            await self.world.report(self.merchant(number), f"m-{number}", notice)
            self.accepted.add(notice_id)

    def told(self) -> dict[str, set[str]]:
        """The types that each invoice's merchant heard, by invoice number."""
        found: dict[str, set[str]] = defaultdict(set)
        for merchant in self.merchants:
            for bodies in merchant.bodies.values():
                said = json.loads(next(iter(bodies)))
                found[invoice_of(said)].add(said["type"])
        return found

    async def is_all_told(self) -> bool:
        told = self.told()
        return len(told) == INVOICES and all(types >= set(STATES) for types in told.values())


async def test_workers_join_and_die_under_load_and_nothing_is_lost_or_late(
    tmp_path: Path,
    own_kafka: KafkaServer,
    url: str,
    redis_server: RedisServer,
) -> None:
    settings = environment(own_kafka, url, redis_server)
    product = await start(tmp_path / "data", environment=settings, port=free_port())
    workers: list[StageWorker] = []
    try:
        await product.wait_ready(READY_SECONDS_MAX)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http:
            world = World(http, product.url, tmp_path / "data")
            world.receiver = arrivals = Arrivals()
            async with arrivals.running():
                merchants = [await world.merchant(f"m{n}") for n in range(MERCHANTS)]
                load = Load(world=world, merchants=merchants)
                await load.bill()
                paying = asyncio.create_task(load.pay())
                await join_and_die(own_kafka, tmp_path / "data", settings, workers)
                await paying
                await until(load.is_all_told, TOLD_SECONDS_MAX)
                await check(load, product, arrivals)
    finally:
        await end_all(workers)
        await product.stop()


async def join_and_die(
    kafka: KafkaServer, data: Path, settings: dict[str, str], workers: list[StageWorker]
) -> None:
    """A second worker of each stage takes its share, and is killed."""
    await pause(JOIN_AFTER_SECONDS)
    workers += [await start_worker(stage, "second", data, settings) for stage in STAGES]
    for worker in workers:
        await worker.wait_ready()
    for stage in STAGES:
        await until(partial(has_members, kafka, stage, {"test", "second"}))
    await pause(SHARED_SECONDS)
    for worker in workers:
        worker.send(Signals.SIGKILL)
    for stage in STAGES:
        await until(partial(has_members, kafka, stage, {"test"}))


async def has_members(kafka: KafkaServer, stage: str, names: set[str]) -> bool:
    return set(await members(kafka, stage)) == {f"{stage}-{name}" for name in names}


async def check(load: Load, product: Product, arrivals: Arrivals) -> None:
    longest, repeated = arrivals.longest_pause(), 0
    for merchant in load.merchants:
        assert all(len(bodies) == 1 for bodies in merchant.bodies.values()), "a body changed"
        repeated += sum(merchant.times.values()) - len(merchant.bodies)
    assert arrivals.forged == 0
    sys.stderr.write(f"\nlongest pause {longest:.1f} s, {repeated} webhooks repeated\n")
    assert longest < PAUSE_SECONDS_MAX, f"a merchant heard nothing for {longest:.1f} s"
    audit: dict[str, Any] = {}

    async def laws_hold() -> bool:
        audit.update(await product.audit())
        return audit["holds"] is True and audit["counts"]["delivered"] == INVOICES * TOLD

    await until(laws_hold, TOLD_SECONDS_MAX)
    assert len(load.accepted) == audit["counts"]["matched"] == INVOICES * NOTICES_PER_INVOICE
    states: dict[str, list[str]] = defaultdict(list)
    for merchant in load.merchants:
        events = await load.world.feed(merchant)
        check_lists(merchant, events, await load.world.deliveries(merchant))
        for event in events:
            if event["type"] in STATES:
                states[invoice_of(event["payload"])].append(event["type"])
    assert [types for types in states.values() if types != STATES] == []
    assert len(states) == INVOICES


def invoice_of(body: dict[str, Any]) -> str:
    return str(body["data"]["invoice"]["invoice_number"])


def check_lists(
    merchant: Merchant, events: list[dict[str, Any]], listed: list[dict[str, Any]]
) -> None:
    """Webhooks came in the order of the feed, invoice by invoice, and each is listed once."""
    ids = [event["id"] for event in events]
    arrived = [
        (invoice_of(json.loads(next(iter(bodies)))), webhook_id)
        for webhook_id, bodies in merchant.bodies.items()
    ]
    assert list(check_order(merchant.merchant_id, arrived, ids)) == []
    assert list(check_deliveries("", merchant.endpoint_id, set(ids), listed)) == []
