"""What `make bench` measures, one phase after the other, each on a fresh product."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtests.engines import ENGINES
from loadtests.generator import Client
from loadtests.history_writes import history_writes
from loadtests.registering import in_the_log, over_the_api
from loadtests.report import (
    Measured,
    holds,
    latencies_ms,
    load_figures,
    percentile,
    soundness,
    spread,
)
from loadtests.searching import highest_that_holds
from loadtests.truth import faults
from loadtests.world import World, world
from ops.demo_product import start
from streams.clock import monotonic_seconds

MERCHANTS = 8
WARM_UP_RATE = 40.0
WARM_UP_SECONDS = 2.0
REAL_RATE = 300.0
"""The load that Kafka, Cassandra and Redis must carry on the product's own two cores."""
FIRST_WEBHOOK_SECONDS_MAX = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    latency_rates: tuple[float, ...] = (50, 200, 500)
    latency_seconds: float = 20
    sustained_rate: float = 700
    sustained_seconds: float = 60
    search_seconds: float = 15
    isolation_rate: float = 200
    isolation_seconds: float = 15
    isolation_rounds: int = 2
    registered: int = 5_000
    restart_invoices: int = 100_000
    history_payments: int = 5_000
    history_merchants: tuple[int, ...] = (1, 100)


QUICK = Plan(
    latency_rates=(50, 200),
    latency_seconds=2,
    sustained_rate=400,
    sustained_seconds=4,
    search_seconds=2,
    isolation_rate=100,
    isolation_seconds=2,
    isolation_rounds=1,
    registered=300,
    restart_invoices=500,
    history_payments=500,
)


def comparable(plan: Plan) -> Plan:
    """The same with latencies at rates that every engine carries."""
    return replace(plan, latency_rates=(*_carried(plan.latency_rates), REAL_RATE))


def on_real_engines(plan: Plan) -> Plan:
    """The same with rates that servers on the same cores leave room for."""
    return replace(
        plan,
        latency_rates=_carried(plan.latency_rates),
        sustained_rate=min(plan.sustained_rate, REAL_RATE),
        isolation_rate=min(plan.isolation_rate, REAL_RATE / 2),
    )


def _carried(rates: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(rate for rate in rates if rate <= REAL_RATE)


@dataclass(slots=True, kw_only=True)
class Bench:
    """What a phase needs: where it works, what it measures, where it says what is wrong."""

    folder: Path
    plan: Plan
    say: Callable[[str], None]
    engine: str = "embedded"
    faults: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def cold(self, name: str, paths: list[str]) -> AsyncIterator[World]:
        """A fresh product on fresh engines."""
        with ENGINES[self.engine](self.folder / f"{name}-engines") as engines:
            async with world(self.folder, name, merchants=paths, engines=engines) as made:
                yield made

    @asynccontextmanager
    async def world(self, name: str, paths: list[str]) -> AsyncIterator[World]:
        """A fresh product, warmed up; at its end the truth is checked."""
        async with self.cold(name, paths) as made:
            await over_the_api(made, int(WARM_UP_RATE * WARM_UP_SECONDS))
            await made.quiet()
            await made.load(WARM_UP_RATE, WARM_UP_SECONDS)
            yield made
            await self.check(name, made)

    async def check(self, name: str, made: World) -> None:
        """Note everything that is not true."""
        found = await faults(made, refusals_allowed=name == "search")
        self.faults += [f"{self.engine} {name}: {fault}" for fault in found]
        accepted = sum(len(merchant.accepted) for merchant in made.merchants)
        verdict = f"{len(found)} FAULTS" if found else "every one told once, rightly"
        self.say(f"  truth after {accepted} notices: {verdict}")

    async def prepare(self, made: World, count: int) -> None:
        """Register what the next load pays, and let the product come to rest.

        On real engines straight in the log: how fast the API registers, `start` says.
        """
        in_files = self.engine == "embedded"
        rate = await (over_the_api if in_files else in_the_log)(made, count)
        waited = await made.quiet()
        way = "over the API" if in_files else "in the log"
        self.say(
            f"  {count} invoices registered {way}, {rate:.0f}/s; all read {waited:.1f} s later"
        )


def ok_paths(count: int = MERCHANTS) -> list[str]:
    """Merchants whose servers answer at once."""
    return [f"/ok/{number}" for number in range(count)]


async def start_up(bench: Bench) -> Measured:
    """How long a first start takes, and how many invoices a second can be registered."""
    async with bench.cold("start", []) as made:
        ready = await made.product.wait_ready()
        for path in ok_paths():
            await made.add_merchant(path)
        rate = await over_the_api(made, bench.plan.registered)
        await bench.check("start", made)
    return {"ready_seconds": round(ready, 2), "registered_per_second": round(rate)}


async def latency(bench: Bench) -> Measured:
    """From notice to webhook at several rates."""
    figures: Measured = {}
    async with bench.world("latency", ok_paths()) as made:
        for rate in bench.plan.latency_rates:
            await bench.prepare(made, int(rate * bench.plan.latency_seconds))
            figures[f"{rate:g}/s"] = load_figures(await made.load(rate, bench.plan.latency_seconds))
    return figures


async def sustained(bench: Bench) -> Measured:
    """The rate that must hold."""
    plan = bench.plan
    async with bench.world("sustained", ok_paths()) as made:
        await bench.prepare(made, int(plan.sustained_rate * plan.sustained_seconds))
        return load_figures(await made.load(plan.sustained_rate, plan.sustained_seconds))


async def search(bench: Bench) -> Measured:
    """The highest rate that holds: by steps until it turns, then by halves."""
    seconds = bench.plan.search_seconds
    tries: list[Measured] = []
    async with bench.world("search", ok_paths()) as made:

        async def held(rate: float) -> bool:
            await bench.prepare(made, int(rate * seconds))
            load = await made.load(rate, seconds)
            tries.append(load_figures(load))
            bench.say(f"  {rate:g}/s: {'holds' if holds(load) else 'does not hold'}")
            return holds(load)

        best = await highest_that_holds(held, bench.plan.sustained_rate)
    return {"highest_that_holds": best, "tries": tries}


async def isolation(bench: Bench) -> Measured:
    """Ten merchants: what the nine feel when the tenth one's server hangs."""
    plan = bench.plan
    healthy = ok_paths(9)
    figures: dict[str, list[float]] = {"/ok/9": [], "/hang/9": []}
    p99: dict[str, list[float]] = {"/ok/9": [], "/hang/9": []}
    loads: Measured = {}
    for turn in range(plan.isolation_rounds):
        for tenth in figures:
            async with bench.world(f"isolation-{turn}-{tenth[1:3]}", [*healthy, tenth]) as made:
                await bench.prepare(made, int(plan.isolation_rate * plan.isolation_seconds))
                load = await made.load(plan.isolation_rate, plan.isolation_seconds)
            loads[f"{turn} {tenth}"] = soundness(load)
            found = latencies_ms(load, healthy)
            figures[tenth] += found
            p99[tenth].append(round(percentile(found, 0.99), 2))
    without, with_hanging = spread(figures["/ok/9"]), spread(figures["/hang/9"])
    return {
        "rate": plan.isolation_rate,
        "without": without,
        "with_hanging": with_hanging,
        "p99_by_round": {"without": p99["/ok/9"], "with_hanging": p99["/hang/9"]},
        "p99_ratio": round(with_hanging["p99"] / without["p99"], 2),
        "loads": loads,
    }


async def restart(bench: Bench) -> Measured:
    """A start with many open invoices, after a clean end and after `kill -9`."""
    plan = bench.plan
    figures: Measured = {"open_invoices": plan.restart_invoices}
    async with bench.world("restart", ok_paths()) as made:
        await bench.prepare(made, plan.restart_invoices)
        for name, number in (("clean", signal.SIGTERM), ("killed", signal.SIGKILL)):
            figures[name] = await _restart_once(made, number)
            bench.say(f"  {name}: {figures[name]}")
    return figures


async def _restart_once(made: World, number: signal.Signals) -> Measured:
    before = monotonic_seconds()
    await made.product.stop(number)
    ended = monotonic_seconds()
    product = made.product
    await made.client.close()
    made.product = await start(product.data, environment=product.environment, port=product.port)
    ready = await made.product.wait_ready(FIRST_WEBHOOK_SECONDS_MAX)
    made.client = Client(product.port)
    load = await made.load(WARM_UP_RATE, 1 / WARM_UP_RATE)
    first = load.arrivals[load.references[0]].at_ns / 1e9 - made.product.began
    return {
        "stop_seconds": round(ended - before, 2),
        "ready_seconds": round(ready, 2),
        "first_webhook_seconds": round(first, 2),
        **soundness(load),
    }


async def history(bench: Bench) -> Measured:
    """How many rows a second history takes of one merchant and of many, nothing else running."""
    figures: Measured = {}
    for merchants in bench.plan.history_merchants:
        name = f"{merchants} merchant{'s' if merchants > 1 else ''}"
        folder = bench.folder / f"history-{merchants}"
        folder.mkdir()
        figures[name] = await history_writes(
            bench.engine, folder, bench.plan.history_payments, merchants
        )
        bench.say(f"  {name}: {figures[name]['rows_per_second']} rows/s")
    return figures


PHASES: Mapping[str, Callable[[Bench], Awaitable[Measured]]] = {
    "start": start_up,
    "latency": latency,
    "sustained": sustained,
    "search": search,
    "isolation": isolation,
    "restart": restart,
    "history": history,
}
