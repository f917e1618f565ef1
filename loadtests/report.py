"""Says what was measured, on which machine, in lines for people and as values for programs."""

from __future__ import annotations

import math
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from loadtests.generator import Offered
from loadtests.load import Load
from streams.clock import system_clock

PACKAGES = ("keshikomi", "faust-streaming", "aiohttp", "uvloop", "orjson", "pydantic")
SYNCS = 200
SYNC_BYTES = b"x" * 4096
GENERATOR_LAG_MS_MAX = 20.0
WORST_SECOND_LAG_MS_MAX = 1_000.0
"""A hundredth of half an hour is 18 s: so the worst second is judged too, and more gently."""
BACKLOG_SLACK_SECONDS = 0.25
P99_MS_MAX = 1_000.0
QUARTERS = 4

Measured = dict[str, Any]


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not pass (nearest rank)."""
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(math.ceil(len(ranked) * share) - 1, 0)]


def line_slope(points: Iterable[tuple[float, float]]) -> float:
    """Of the straight line through points with the least squares."""
    pairs = [*points]
    middle = sum(x for x, _ in pairs) / len(pairs)
    mean = sum(y for _, y in pairs) / len(pairs)
    return sum((x - middle) * (y - mean) for x, y in pairs) / sum(
        (x - middle) ** 2 for x, _ in pairs
    )


def spread(values: Sequence[float]) -> Measured:
    """p50, p95, p99 and the greatest."""
    shares = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(percentile(values, share), 2) for name, share in shares.items()}


def worst_second_ms(lags: Iterable[tuple[int, float]]) -> float:
    """The worst p99 of any second, from pairs of when (in ns) and how late (in ms)."""
    by_second: dict[int, list[float]] = {}
    for at_ns, late_ms in lags:
        by_second.setdefault(at_ns // 1_000_000_000, []).append(late_ms)
    return round(max((percentile(late, 0.99) for late in by_second.values()), default=0.0), 2)


# --- one load


def latencies_ms(
    load: Load, paths: Iterable[str] | None = None, *, since_ns: Sequence[int] | None = None
) -> list[float]:
    """From the time at which a notice was meant to leave to its webhook's arrival.

    `since_ns` are other times to count from, one for each place.
    """
    wanted = None if paths is None else set(paths)
    since_ns = load.offered.intended_ns if since_ns is None else since_ns
    return [
        (load.arrivals[reference].at_ns - since_ns[place]) / 1e6
        for place, reference in enumerate(load.references)
        if reference in load.arrivals and (wanted is None or load.merchants[place].path in wanted)
    ]


def stages_ms(load: Load) -> Measured:
    """The median time of each part of the way; the payload's own times are whole milliseconds."""
    parts: dict[str, list[float]] = {"accepted": [], "received": [], "matched": [], "told": []}
    for place, reference in enumerate(load.references):
        arrival = load.arrivals.get(reference)
        if arrival is None:
            continue
        intended_ns = load.offered.intended_ns[place]
        parts["accepted"].append((load.offered.answered_ns[place] - intended_ns) / 1e6)
        received, matched = arrival.received_ms, arrival.matched_ms
        if received is not None and matched is not None:
            begun_ms = (intended_ns + load.wall_offset_ns) / 1e6
            parts["received"].append(received - begun_ms)
            parts["matched"].append(matched - received)
            parts["told"].append((arrival.at_ns + load.wall_offset_ns) / 1e6 - matched)
    return {name: spread(values) for name, values in parts.items() if values}


def backlog(load: Load) -> list[int]:
    """Accepted and not yet told, at the end of each second of the load."""
    begin = load.offered.intended_ns[0]
    seconds = math.ceil((load.offered.intended_ns[-1] - begin) / 1e9)
    accepted = [load.offered.answered_ns[place] for place in load.offered.accepted]
    told = [arrival.at_ns for arrival in load.arrivals.values()]
    ends = [begin + second * 1_000_000_000 for second in range(1, seconds + 1)]
    return [sum(at <= end for at in accepted) - sum(at <= end for at in told) for end in ends]


def holds(load: Load) -> bool:
    """Whether the product keeps up: no errors, p99 under a second, no growing backlog."""
    if load.offered.errors or percentile(latencies_ms(load), 0.99) >= P99_MS_MAX:
        return False
    series = backlog(load)
    quarter = max(len(series) // QUARTERS, 1)
    early = sum(series[quarter : 2 * quarter] or series) / quarter
    late = sum(series[-quarter:]) / quarter
    return late <= 2 * early + load.offered.rate * BACKLOG_SLACK_SECONDS


def generator_figures(offered: Offered) -> Measured:
    """How late requests left, and whether the figures of a load mean nothing because of it."""
    lag = spread(offered.lags_ms)
    worst = worst_second_ms(zip(offered.intended_ns, offered.lags_ms, strict=True))
    is_late = lag["p99"] > GENERATOR_LAG_MS_MAX or worst > WORST_SECOND_LAG_MS_MAX
    return {
        "generator_lag_ms": lag,
        "generator_lag_ms_worst_second": worst,
        "generator_starved": offered.starved,
        "generator_was_the_bottleneck": is_late or offered.starved > 0,
    }


def soundness(load: Load) -> Measured:
    """What every load is judged by, whatever is measured of it."""
    return {**generator_figures(load.offered), "lost_processes": list(load.lost)}


def bottleneck(figures: Measured) -> str:
    """Why the figures of such a load mean nothing."""
    return (
        f"the generator was late by {figures['generator_lag_ms']['p99']} ms (p99), in its worst "
        f"second by {figures['generator_lag_ms_worst_second']} ms, and "
        f"{figures['generator_starved']} requests found all connections in use"
    )


def load_figures(load: Load) -> Measured:
    """The figures of one load."""
    accepted = len(load.offered.accepted)
    figures = {
        "rate": load.offered.rate,
        "offered": len(load.references),
        "accepted": accepted,
        "errors": load.offered.errors,
        "told": len(load.arrivals),
        "latency_ms": spread(latencies_ms(load)),
        "stages_ms": stages_ms(load),
        **soundness(load),
        "backlog_by_second": backlog(load),
        "drained_after_seconds": round(load.drained_seconds, 2),
        "keeps_up": holds(load),
    }
    return figures | process_figures(load, accepted)


def process_figures(load: Load, accepted: int) -> Measured:
    """CPU per notice, and memory at the begin, the end and the most, by process."""
    cpu = {
        name: round(seconds / max(accepted, 1) * 1_000, 3)
        for name, seconds in load.watch.cpu_seconds.items()
    }
    ours = sum(ms for name, ms in cpu.items() if name not in load.around)
    memory = {
        name: {"begin": values[0], "end": values[-1], "most": max(values)}
        for name, values in load.watch.memory_mb.items()
    }
    return {
        "cpu_ms_per_notice": cpu | {"product": round(ours, 3)},
        "memory_mb": memory,
    }


def memory_most(load: Load) -> Measured:
    """The most memory that was seen of each process, in MB."""
    return {name: max(values) for name, values in load.watch.memory_mb.items()}


# --- the machine


def machine(folder: Path) -> Measured:
    """What a reader must know of the machine to judge the figures."""
    return {
        "at": system_clock().isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _from_proc("/proc/cpuinfo", "model name"),
        "memory_gb": round(int(_from_proc("/proc/meminfo", "MemTotal").split()[0]) / 1e6, 1),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "versions": {name: _version(name) for name in PACKAGES},
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "fdatasync_ms": sync_ms(folder),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _from_proc(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "0 unknown"


def sync_ms(folder: Path) -> Measured:
    """How long the disk takes to make 4 KiB durable: every hop of the log waits for one."""
    path = folder / "sync-probe"
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            file.write(SYNC_BYTES)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1_000)
    path.unlink()
    return spread(took)


# --- lines


def machine_lines(facts: Mapping[str, Any]) -> list[str]:
    """The machine in three lines."""
    sync, versions = facts["fdatasync_ms"], facts["versions"]
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    hardware = (
        f"{facts['cores']} cores of {facts['cpu']}, {facts['memory_gb']} GB, "
        f"Linux {facts['kernel']}, load before {facts['load_average'][0]}"
    )
    return [
        hardware,
        f"Python {facts['python']}, SQLite {facts['sqlite']}, {named}",
        f"fdatasync of 4 KiB: p50 {sync['p50']} ms, p99 {sync['p99']} ms, most {sync['max']} ms",
    ]


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows under each other; the first one is the head."""
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    lines = []
    for row in cells:
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *rest]))
    return lines


def _text(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
