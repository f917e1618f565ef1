"""How fast the delivery engine is, and how little endpoints feel of others that hang."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Felt:
    """What those felt in one load that answer."""

    measured: Measured
    durable_ms: list[float]
    intended_ms: list[float]
    first_ms: list[float]


async def hanging(bench: Bench) -> dict[str, Measured]:
    """Many endpoints, some of which never answer: what the others feel of it."""
    plan = bench.plan
    rows = dict(_rows(plan))
    felt = {name: list[Felt]() for name in rows}
    for turn in range(plan.hanging_rounds):
        # Every other round begins at the other end: on one machine no two minutes are alike.
        for name in reversed(rows) if turn % 2 else rows:
            dead, healthy = rows[name]
            async with bench.world(f"hanging-{dead}-beside-{healthy}-{turn}") as made:
                felt[name].append(await _with_hanging(plan, made, dead=dead, healthy=healthy))
    found = {name: _together(each) for name, each in felt.items()}
    for name, row in found.items():
        if (alone := found.get(_alone(name))) is not None:
            row.update(_beside("the_others_alone", row, alone))
        row.update(_beside("none_hanging", row, found["0 %"]))
    return found


def _rows(plan: Plan) -> Iterator[tuple[str, tuple[int, int]]]:
    """How many hang and how many answer in each row; those that answer also by themselves."""
    for share in plan.hanging_shares:
        dead, name = round(plan.endpoints * share), f"{share * 100:g} %"
        yield name, (dead, plan.endpoints - dead)
        if dead:  # what the healthy ones are told is all that is told here, at the same times
            yield _alone(name), (0, plan.endpoints - dead)


def _alone(name: str) -> str:
    return f"without the {name}"


def _together(felt: Sequence[Felt]) -> Measured:
    """One row of all rounds, whose latencies are those of all of them.

    What else it says is the last one's; a generator that was too late in any of them was too late.
    """
    late = [each.measured for each in felt if each.measured["generator_was_the_bottleneck"]]
    return (late or [felt[-1].measured])[-1] | {
        "told": sum(each.measured["told"] for each in felt),
        "from_durable_ms": spread([ms for each in felt for ms in each.durable_ms]),
        "from_intended_ms": spread([ms for each in felt for ms in each.intended_ms]),
        "p99_of_each_round_ms": [round(percentile(each.durable_ms, 0.99), 2) for each in felt],
        "first_contact_p99_ms": round(
            percentile([ms for each in felt for ms in each.first_ms], 0.99), 2
        ),
    }


def _beside(what: str, measured: Measured, other: Measured) -> Measured:
    ratio = measured["from_durable_ms"]["p99"] / other["from_durable_ms"]["p99"]
    return {f"p99_to_{what}": round(ratio, 3)}


async def _with_hanging(plan: Plan, made: Notifying, *, dead: int, healthy: int) -> Felt:
    """One load; each endpoint is told equally often."""
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
    return Felt(
        measured,
        durable_ms=latencies_ms(load, well, since_ns=load.offered.answered_ns),
        intended_ms=latencies_ms(load, well),
        first_ms=latencies_ms(first, well, since_ns=first.offered.answered_ns),
    )


def _stride(count: int) -> int:
    """A step through a circle of so many that comes to each of them."""
    return next(step for step in (61, 67, 71, 73) if count % step)


def _in_turn(shops: list[Shop], count: float) -> list[Shop]:
    return [shops[place % len(shops)] for place in range(int(count))]
