"""What the delivery engine makes of many endpoints that hang for a while and then recover."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence

from loadtests.busy import TOO_MANY, Mood
from loadtests.delivery_phases import figures
from loadtests.delivery_plan import BUSY_PATH, RETRIES_SECONDS_MAX, Bench
from loadtests.load import Load
from loadtests.report import Measured, percentile, spread
from loadtests.shops import Shop


async def outage(bench: Bench) -> dict[str, Measured]:
    """Many endpoints hang for a while and recover: what the others feel, and how it is drained."""
    plan = bench.plan
    calm, away_seconds = plan.outage_calm_seconds, plan.outage_seconds
    async with bench.world("outage") as made:
        live = await made.add_shops([f"/ok/{n}" for n in range(plan.live_endpoints)], apart=2)
        paths = [f"{BUSY_PATH}/{n}" for n in range(plan.outage_endpoints)]
        away = await made.add_shops(paths, apart=2)
        seconds = 3 * calm + away_seconds
        shops = list(_alternating(live, away, int(plan.outage_rate * seconds)))
        loading = asyncio.create_task(
            made.load(shops, plan.outage_rate, stalled_seconds=RETRIES_SECONDS_MAX)
        )
        await asyncio.sleep(calm)
        await made.receivers[0].change(Mood.HANG)
        began_ns = time.perf_counter_ns()
        await asyncio.sleep(away_seconds)
        await made.receivers[0].change(Mood.SERVE)
        ended_ns = time.perf_counter_ns()
        load = await loading
        most = await made.receivers[0].most()
        left = _left_to_their_retries(load, away)
    times = (0, began_ns, ended_ns, time.perf_counter_ns())
    windows = dict(zip(("before", "during", "after"), itertools.pairwise(times), strict=True))
    rows = {
        f"live {name}": {"p99_ms": _p99(load, live, *window)} for name, window in windows.items()
    }
    drained = _drained(load, away, ended_ns)
    if left and not drained["backlog"]:
        bench.faults.append(f"outage: after it none of the {left} that waited was told")
    refused = [each for each in made.arrivals if each.status == TOO_MANY]
    return {
        "all": figures(load),
        **rows,
        "drain": drained
        | {"most_at_once": max(most.values(), default=0), "answered_429": len(refused)}
        | {"left_to_their_retries": left},
    }


def _left_to_their_retries(load: Load, shops: Sequence[Shop]) -> int:
    """How many are not told yet, because what was tried in the outage is due again much later.

    Nobody waits for those: of their shops the truth is what came, and that it came rightly.
    """
    by_path = {shop.path: shop for shop in shops}
    named = zip(load.references, load.merchants, strict=True)
    left = [told.path for reference, told in named if reference not in load.arrivals]
    for path in by_path.keys() & set(left):
        by_path[path].is_complete = False
    return len(left)


def _alternating(some: Sequence[Shop], others: Sequence[Shop], count: int) -> Iterator[Shop]:
    turns = zip(itertools.cycle(some), itertools.cycle(others), strict=False)
    return itertools.islice(itertools.chain.from_iterable(turns), count)


def _p99(load: Load, shops: Sequence[Shop], begin_ns: int, end_ns: int) -> float:
    """Of what became durable within these times."""
    times = _durable_and_told_ns(load, shops)
    found = [(told - durable) / 1e6 for durable, told in times if begin_ns <= durable < end_ns]
    return round(percentile(found, 0.99), 2)


def _drained(load: Load, shops: Sequence[Shop], ended_ns: int) -> Measured:
    """When what had piled up for these was delivered, in seconds after the outage."""
    times = _durable_and_told_ns(load, shops)
    late = sorted((told - ended_ns) / 1e9 for durable, told in times if durable < ended_ns < told)
    return {"backlog": len(late), "drained_seconds": spread(late)}


def _durable_and_told_ns(load: Load, shops: Sequence[Shop]) -> Iterator[tuple[int, int]]:
    """Of what these were told: when it was in the log, and when it came."""
    paths = {shop.path for shop in shops}
    durable = load.offered.answered_ns
    for reference, shop, durable_ns in zip(load.references, load.merchants, durable, strict=True):
        if reference in load.arrivals and shop.path in paths:
            yield durable_ns, load.arrivals[reference].at_ns
