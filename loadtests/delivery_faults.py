"""What the delivery engine makes of kills, a large backlog and clocks that jump."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtests.busy import Mood
from loadtests.delivery_phases import figures
from loadtests.delivery_plan import BUSY_PATH, RETRIES_SECONDS_MAX, Bench
from loadtests.load import Load
from loadtests.notifying import ACCEPTED, Notifying
from loadtests.processes import Watch, usage
from loadtests.receiving import start_receiving
from loadtests.report import Measured, latencies_ms, spread
from loadtests.shops import Shop
from ops.demo_product import free_port

HOUR_SECONDS = 3_600
JUMPS = (HOUR_SECONDS, 0, -HOUR_SECONDS, 0)
LIVE_RATE = 50.0
LIVE_SECONDS = 20.0
SHOPS = 8


# --- kill -9


async def kills(bench: Bench) -> dict[str, Measured]:
    """`kill -9` of the worker again and again, while notifications come."""
    plan = bench.plan
    loads: list[Load] = []
    async with bench.world("kills", repeats_allowed=True) as made:
        shops = await made.add_shops([f"/ok/{n}" for n in range(SHOPS)], apart=2)
        killing = asyncio.create_task(_kill_again_and_again(made, plan.kills))
        turn = shops * max(int(plan.kill_rate / len(shops)), 1)
        while not killing.done():
            loads.append(await made.load(turn, plan.kill_rate, is_awaited=False))
        ready_seconds = await killing
        await made.told()
        await made.take_arrivals()
    late: list[float] = []
    for load in loads:
        made.sort_in(load)
        late += latencies_ms(load, since_ns=load.offered.answered_ns)
    successes = Counter(each.webhook_id for each in made.arrivals if each.status == ACCEPTED)
    row: Measured = {
        "kills": plan.kills,
        "notifications": sum(len(load.references) for load in loads),
        "arrived": len(late),
        "repeats": successes.total() - len(successes),
        "ready_seconds": spread(ready_seconds),
        "late_ms": spread(late),
    }
    return {"all": row}


async def _kill_again_and_again(made: Notifying, times: int) -> list[float]:
    """Returns how long each start took."""
    took: list[float] = []
    for time_of_kill in range(times):
        await asyncio.sleep(0.2 + time_of_kill * 7 % 13 / 10)  # never twice the same
        await made.kill()
        took.append(await made.start())
    return took


# --- a large backlog


async def pending(bench: Bench) -> dict[str, Measured]:
    """Many deliveries to one endpoint that is down: memory, restart, live ones, the drain."""
    count, port = bench.plan.pending, free_port()
    async with bench.world("pending") as made:
        (live,) = await made.add_shops(["/ok/live"])
        (back,) = await made.add_shops(["/ok/back"], port=port)
        back.is_complete = False
        rows = {"grow": await _grow(made, back, count)}
        bench.say(f"  grown: {rows['grow']}")
        await made.stop()
        rows["restart"] = await _restart(made, live)
        bench.say(f"  restarted: {rows['restart']}")
        made.receivers.append(await start_receiving(port))
        back.is_complete = True
        load = await made.load(
            [live] * int(LIVE_RATE * LIVE_SECONDS), LIVE_RATE, stalled_seconds=RETRIES_SECONDS_MAX
        )
        measured = figures(load)
        del measured["cores_used"], measured["worker_cpu_ms_per_delivery"]  # the drain goes on
        rows["live during the drain"] = measured
        rows["drain"] = _drain(made, back, load.watch)
    return rows


async def _grow(made: Notifying, shop: Shop, count: int) -> Measured:
    begun = time.perf_counter()
    async with Watch({"worker": made.worker.pid}) as watch:
        await made.pour(shop, count)
        await made.quiet()
    seconds = time.perf_counter() - begun
    return {
        "pending": count,
        "taken_per_second": round(count / seconds),
        "memory_mb": _some_of(watch.memory_mb["worker"]),
        "log_mb": round(made.log.path.stat().st_size / 1e6),
    }


async def _restart(made: Notifying, live: Shop) -> Measured:
    began_ns = time.perf_counter_ns()
    made.spawn()
    record, reference = live.next_record()
    await made.log.append([record])
    await made.wait_ready()
    ready_ns = time.perf_counter_ns()
    ready = usage(made.worker.pid)
    await made.told()
    await made.take_arrivals()
    (first,) = [each for each in made.arrivals if each.reference == reference]
    return {
        "ready_seconds": round((ready_ns - began_ns) / 1e9, 2),
        "first_live_delivery_seconds": round((first.at_ns - began_ns) / 1e9, 2),
        "memory_mb": ready.memory_mb if ready else 0,
    }


def _drain(made: Notifying, shop: Shop, watch: Watch) -> Measured:
    at = sorted(each.at_ns for each in made.arrivals if each.path == shop.path)
    if not at:
        return {"arrived": 0}  # what the truth says of it in words
    seconds = (at[-1] - at[0]) / 1e9
    return {
        "seconds": round(seconds, 1),
        "per_second": round(len(at) / max(seconds, 0.001)),
        "most_in_a_second": max(per_second(at)),
        "memory_mb": _some_of(watch.memory_mb["worker"]),
        "worker_cpu_ms_per_delivery": round(watch.cpu_seconds["worker"] * 1_000 / len(at), 3),
    }


def per_second(at_ns: Sequence[int]) -> list[int]:
    """How many came in each second in which any came."""
    return list(Counter(each // 1_000_000_000 for each in at_ns).values())


def _some_of(values: Sequence[float], number: int = 10) -> list[float]:
    """Some values from the first to the last."""
    last = len(values) - 1
    return [values[last * place // (number - 1)] for place in range(number)]


# --- clocks that jump


async def jumps(bench: Bench) -> dict[str, Measured]:
    """The worker's clock jumps by an hour and back while retries wait; beside one that does not."""
    library = _faketime()
    if library is None:
        return {"all": {"skipped": "libfaketime is not here; the simulation covers it"}}
    return {
        name: await _with_clock(bench, name, library, offsets)
        for name, offsets in (("steady", (0, 0, 0, 0)), ("jumping", JUMPS))
    }


async def _with_clock(bench: Bench, name: str, library: Path, offsets: Sequence[int]) -> Measured:
    plan = bench.plan
    clock = bench.folder / f"clock-{name}"
    clock.write_text("+0\n")
    async with bench.world(f"jumps-{name}", environment=_faked(library, clock)) as made:
        paths = [f"{BUSY_PATH}/{n}" for n in range(plan.jump_endpoints)]
        shops = await made.add_shops(paths, apart=2)
        (receiver,) = made.receivers
        await receiver.change(Mood.FAIL)
        seconds = plan.jump_every_seconds * (len(offsets) + 1)
        turn = list(itertools.islice(itertools.cycle(shops), int(plan.jump_rate * seconds)))
        loading = asyncio.create_task(made.load(turn, plan.jump_rate, is_awaited=False))
        for offset in offsets:
            await asyncio.sleep(plan.jump_every_seconds)
            clock.write_text(f"{offset:+d}\n")
        load = await loading
        await receiver.change(Mood.SERVE)
        began_ns = time.perf_counter_ns()
        await made.told(RETRIES_SECONDS_MAX)
        await made.take_arrivals()
        most = await receiver.most()
    at_ns = [each.at_ns for each in made.arrivals]
    return {
        "notifications": len(load.references),
        "attempts": len(at_ns),
        "most_attempts_in_a_second": max(per_second(at_ns)),
        "most_at_once": max(most.values(), default=0),
        "drained_seconds": round((max(at_ns) - began_ns) / 1e9, 1),
    }


def _faked(library: Path, clock: Path) -> Mapping[str, str]:
    """The worker's wall clock follows a file; its monotonic clock, and the files', stay true."""
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def _faketime() -> Path | None:
    """The library of `faketime`, where the distribution has put it."""
    if shutil.which("faketime") is None:
        return None
    found = Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1")
    return next(found, None)
