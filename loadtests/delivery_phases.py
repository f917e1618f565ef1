"""How fast the delivery engine is, and how little endpoints feel of others that hang."""

from __future__ import annotations

from loadtests.delivery_plan import Bench, Plan
from loadtests.load import Load
from loadtests.notifying import Notifying
from loadtests.report import (
    Measured,
    generator_figures,
    holds,
    latencies_ms,
    memory_most,
    percentile,
    spread,
)
from loadtests.searching import highest_that_holds
from loadtests.shops import Shop

FULL_SHARE = 0.9
"""A process that uses so much of one core can do no more, or hardly."""
FIRST_ROUNDS = 2
"""So many notifications go to each endpoint before anything counts."""


def figures(load: Load) -> Measured:
    """What every row of the report says of a load."""
    return {
        "rate": load.offered.rate,
        "offered": len(load.references),
        "told": len(load.arrivals),
        "errors": load.offered.errors,
        "from_durable_ms": spread(latencies_ms(load, since_ns=load.offered.answered_ns)),
        "from_intended_ms": spread(latencies_ms(load)),
        **generator_figures(load.offered),
        "drained_after_seconds": round(load.drained_seconds, 2),
        "keeps_up": holds(load),
        "worker_cpu_ms_per_delivery": round(
            load.watch.cpu_seconds.get("worker", 0.0) * 1_000 / max(len(load.arrivals), 1), 3
        ),
        "cores_used": cores_used(load),
        "memory_most_mb": memory_most(load),
    }


def cores_used(load: Load) -> Measured:
    """How many cores each process took between the first record and the last webhook."""
    arrived_ns = [arrival.at_ns for arrival in load.arrivals.values()]
    seconds = (max(arrived_ns, default=0) - load.offered.intended_ns[0]) / 1e9
    return {
        name: round(used / max(seconds, 0.001), 2) for name, used in load.watch.cpu_seconds.items()
    }


def limit_of(measured: Measured) -> str:
    """Which process was what held a load up, as far as its CPU time says."""
    if measured["generator_was_the_bottleneck"]:
        return f"the generator, late by {measured['generator_lag_ms']['p99']} ms (p99)"
    name, used = max(measured["cores_used"].items(), key=lambda item: item[1])
    if used >= FULL_SHARE:
        return f"the {name}, which used {used:g} cores"
    return f"no process alone: the busiest, the {name}, used {used:g} cores"


async def latency(bench: Bench) -> dict[str, Measured]:
    """From the record in the log to the webhook at the receiver: one endpoint, several rates."""
    found: dict[str, Measured] = {}
    async with bench.world("latency") as made:
        (shop,) = await made.add_shops(["/ok/one"])
        for rate in bench.plan.latency_rates:
            load = await made.load([shop] * int(rate * bench.plan.latency_seconds), rate)
            found[f"{rate:g}/s"] = figures(load)
    return found


async def sustained(bench: Bench) -> dict[str, Measured]:
    """The highest rate that one worker holds for one endpoint, and what holds it up there."""
    plan = bench.plan
    tries: dict[str, Measured] = {}
    async with bench.world("sustained") as made:
        (shop,) = await made.add_shops(["/ok/one"])

        async def held(rate: float) -> bool:
            load = await made.load([shop] * int(rate * plan.search_seconds), rate)
            tries[f"{rate:g}/s"] = figures(load)
            bench.say(f"  {rate:g}/s: {'holds' if holds(load) else 'does not hold'}")
            return holds(load)

        best = await highest_that_holds(held, plan.search_rate)
    busiest = max(tries.values(), key=lambda each: float(each["rate"]))
    return tries | {"highest": {"holds_per_second": best, "limit": limit_of(busiest)}}


async def hanging(bench: Bench) -> dict[str, Measured]:
    """Many endpoints, some of which never answer: what the others feel of it."""
    plan, found = bench.plan, dict[str, Measured]()
    for share in plan.hanging_shares:
        dead = round(plan.endpoints * share)
        name = f"{share * 100:g} %"
        found[name] = await _healthy(bench, dead=dead, healthy=plan.endpoints - dead)
        found[name] |= _beside("none_hanging", found[name], found["0 %"])
        if dead:  # what the healthy ones are told is all that is told here, at the same times
            alone = f"without the {name}"
            found[alone] = await _healthy(bench, dead=0, healthy=plan.endpoints - dead)
            found[name] |= _beside("the_others_alone", found[name], found[alone])
    return found


def _beside(what: str, measured: Measured, other: Measured) -> Measured:
    ratio = measured["from_durable_ms"]["p99"] / other["from_durable_ms"]["p99"]
    return {f"p99_to_{what}": round(ratio, 3)}


async def _healthy(bench: Bench, *, dead: int, healthy: int) -> Measured:
    """What those feel that answer; each endpoint is told equally often."""
    async with bench.world(f"hanging-{dead}-beside-{healthy}") as made:
        return await _with_hanging(bench.plan, made, dead=dead, healthy=healthy)


async def _with_hanging(plan: Plan, made: Notifying, *, dead: int, healthy: int) -> Measured:
    count = dead + healthy
    rate = plan.hanging_rate * count / plan.endpoints
    well = [f"/ok/{n}" for n in range(dead, count)]
    shops = await made.add_shops([f"/hang/{n}" for n in range(dead)] + well, apart=2)
    # In turn for all, with those that hang spread among the others.
    shops = [shops[n * _stride(count) % count] for n in range(count)]
    first = await made.load(shops * FIRST_ROUNDS, rate)
    load = await made.load(_in_turn(shops, rate * plan.hanging_seconds), first.offered.rate)
    measured = figures(load)
    del measured["keeps_up"]  # what hangs is never told
    durable = load.offered.answered_ns
    first_durable = first.offered.answered_ns
    return measured | {
        "from_durable_ms": spread(latencies_ms(load, well, since_ns=durable)),
        "from_intended_ms": spread(latencies_ms(load, well)),
        "first_contact_p99_ms": round(
            percentile(latencies_ms(first, well, since_ns=first_durable), 0.99), 2
        ),
    }


def _stride(count: int) -> int:
    """A step through a circle of so many that comes to each of them."""
    return next(step for step in (61, 67, 71, 73) if count % step)


def _in_turn(shops: list[Shop], count: float) -> list[Shop]:
    return [shops[place % len(shops)] for place in range(int(count))]
