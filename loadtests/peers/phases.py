"""What is measured of each peer, in the same way: how fast, how much, how isolated, how durable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from loadtests.load import Load
from loadtests.peers.costs import Used
from loadtests.peers.session import Session
from loadtests.report import Measured, generator_figures, holds, latencies_ms, spread
from loadtests.searching import highest_that_holds

RESTART_AFTER_SECONDS = 0.3
ENDPOINTS = 10
KILLED_PATIENCE_SECONDS = 90.0
"""A peer may wait for long before it sends again what it had under way when it was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Rates are events a second, all times are in seconds."""

    latency_rates: tuple[float, ...] = (50, 200, 1_000)
    latency_seconds: float = 10
    search_rate: float = 800
    search_seconds: float = 10
    kill_rate: float = 200
    kill_seconds: float = 12
    kills: int = 3
    hanging_rate: float = 400
    hanging_seconds: float = 20
    hanging_patience: float = 30


QUICK = Plan(
    latency_rates=(50,),
    latency_seconds=1,
    search_rate=50,
    search_seconds=1,
    kill_rate=40,
    kill_seconds=3,
    kills=1,
    hanging_rate=50,
    hanging_seconds=1,
    hanging_patience=2,
)


def figures(load: Load, used: Used) -> Measured:
    """What is said of every load."""
    accepted = len(load.offered.accepted)
    came = load.arrivals.keys() & {load.references[place] for place in load.offered.accepted}
    return {
        "rate": load.offered.rate,
        "offered": len(load.references),
        "accepted": accepted,
        "errors": load.offered.errors,
        "missing": accepted - len(came),
        "repeats": load.repeats,
        "latency_ms": spread(latencies_ms(load)),
        "drained_after_seconds": round(load.drained_seconds, 2),
        **generator_figures(load.offered),
        "server_cpu_ms": round(used.server_seconds * 1_000 / max(accepted, 1), 2),
        "below_cpu_ms": round(used.below_seconds * 1_000 / max(accepted, 1), 2),
        "server_mb": round(used.server_mb),
    }


async def latency(made: Session, plan: Plan) -> Measured:
    """From the time at which an event should leave to its webhook's arrival: one endpoint."""
    (endpoint,) = await made.add_endpoints(["/ok/latency"])
    found: Measured = {}
    for rate in plan.latency_rates:
        events = await made.events([endpoint], int(rate * plan.latency_seconds))
        found[f"{rate:g}/s"] = figures(*await made.load(events, rate))
    return found


async def sustained(made: Session, plan: Plan) -> Measured:
    """The highest rate that holds for one endpoint: p99 < 1 s, no backlog, nothing left."""
    (endpoint,) = await made.add_endpoints(["/ok/sustained"])
    tries: Measured = {}

    async def held(rate: float) -> bool:
        events = await made.events([endpoint], int(rate * plan.search_seconds))
        load, used = await made.load(events, rate)
        row = figures(load, used)
        tries[f"{rate:g}/s"] = row | {"holds": holds(load) and not row["missing"]}
        return bool(tries[f"{rate:g}/s"]["holds"])

    best = await highest_that_holds(held, plan.search_rate)
    return {"highest": best, "tries": tries}


async def kills(made: Session, plan: Plan) -> Measured:
    """`kill -9` of the peer's server during a load, and what became of what it had accepted."""
    if not made.peer.can_be_killed:
        return {"not_run": "nobody said how to end and to start it"}
    (endpoint,) = await made.add_endpoints(["/ok/killed"])
    events = await made.events([endpoint], int(plan.kill_rate * plan.kill_seconds))
    loading = asyncio.create_task(
        made.load(events, plan.kill_rate, patience=KILLED_PATIENCE_SECONDS)
    )
    for _ in range(plan.kills):
        await asyncio.sleep(plan.kill_seconds / (plan.kills + 1))
        await made.peer.kill()
        await asyncio.sleep(RESTART_AFTER_SECONDS)
        await made.peer.restart()
    row = figures(*await loading)
    for cost in ("server_cpu_ms", "below_cpu_ms", "server_mb"):
        del row[cost]  # the server that was killed took its figures with it
    return row


async def hanging(made: Session, plan: Plan) -> Measured:
    """Ten endpoints in turn: what nine feel when the tenth never answers."""
    found: Measured = {}
    for name, tenth in (("none hangs", "/ok/9"), ("one hangs", "/hang/9")):
        healthy = [f"/ok/{name[:3]}{number}" for number in range(ENDPOINTS - 1)]
        endpoints = await made.add_endpoints([*healthy, f"{tenth}-{name[:3]}"])
        events = await made.events(endpoints, int(plan.hanging_rate * plan.hanging_seconds))
        load, used = await made.load(
            events, plan.hanging_rate, patience=plan.hanging_patience, wait=plan.hanging_patience
        )
        found[name] = of_the_healthy(load, used, healthy)
    return found


def of_the_healthy(load: Load, used: Used, healthy: list[str]) -> Measured:
    """The figures of a load, but with the latency of these endpoints alone."""
    accepted = [
        load.references[place]
        for place in load.offered.accepted
        if load.merchants[place].path in healthy
    ]
    return figures(load, used) | {
        "healthy": len(accepted),
        "missing": sum(reference not in load.arrivals for reference in accepted),
        "latency_ms": spread(latencies_ms(load, healthy)),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What is measured, and by which measure what came is judged at its end."""

    run: Callable[[Session, Plan], Awaitable[Measured]]
    repeats_allowed: bool = False
    complete: bool = True
    """Whether all must have come; not where it is a figure how much did in a bounded time."""


PHASES: Mapping[str, Phase] = {
    "latency": Phase(run=latency),
    "sustained": Phase(run=sustained),
    "kills": Phase(run=kills, repeats_allowed=True),
    "hanging": Phase(run=hanging, complete=False),
}
"""The last one leaves much undone behind it, so that it must stay the last one."""
