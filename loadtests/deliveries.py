"""Measures the delivery engine alone, and checks after each phase that it told the truth.

    python -m loadtests.deliveries [--quick] [--only PHASE ...] [--pending N] [--outage SECONDS]
                                   [--rounds N]

The worker of the notifying stage runs by itself on the embedded log, which this process writes to;
the receiver of its webhooks is a process of its own. All share the cores of this machine. Exit
status 1 when an endpoint was not told exactly what it should be, or when the generator was the
bottleneck, so that a figure means nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import orjson
import uvloop

from loadtests.delivery_faults import jumps, kills, pending
from loadtests.delivery_outage import outage
from loadtests.delivery_phases import hanging, latency, sustained
from loadtests.delivery_plan import QUICK, Bench, Plan
from loadtests.report import Measured, bottleneck, machine, machine_lines, table
from loadtests.verify import verdict

TRUTH = "every endpoint was told exactly what it should be, in its order"
JSON_DEFAULT = Path("build/deliveries.json")
HEAD = (
    "",
    "told",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "max ms",
    "intended p99",
    "lag p99",
    "CPU ms",
    "MB",
)
IN_TABLE = frozenset(
    {
        *("told", "offered", "rate", "from_durable_ms", "from_intended_ms", "generator_lag_ms"),
        *("generator_was_the_bottleneck", "worker_cpu_ms_per_delivery", "memory_most_mb"),
    }
)
"""What a row says in its columns; all else is printed beneath."""

Rows = dict[str, Measured]

PHASES: Mapping[str, Callable[[Bench], Awaitable[Rows]]] = {
    "latency": latency,
    "sustained": sustained,
    "hanging": hanging,
    "outage": outage,
    "kills": kills,
    "pending": pending,
    "jumps": jumps,
}


def main() -> int:
    """Measure and print; 0 when everything was true."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="keshikomi-deliveries-") as folder:
        facts = machine(Path(folder))
        _print_all(machine_lines(facts))
        bench = Bench(folder=Path(folder), plan=_plan(given), say=partial(print, flush=True))
        results = uvloop.run(_measure(bench, given.only or list(PHASES)))
    wrong = bench.faults + _bottlenecks(results)
    _print_all(["", *_lines(results), "", *verdict(wrong, truth=TRUTH)])
    given.json.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": facts, "results": results, "faults": wrong}
    given.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return 1 if wrong else 0


async def _measure(bench: Bench, names: list[str]) -> dict[str, Rows]:
    results: dict[str, Rows] = {}
    for name in names:
        print(f"\n{name}: {(PHASES[name].__doc__ or '').strip()}", flush=True)
        begun = time.perf_counter()
        results[name] = await PHASES[name](bench)
        print(f"  took {time.perf_counter() - begun:.0f} s", flush=True)
    return results


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the delivery engine alone.")
    parser.add_argument("--quick", action="store_true", help="a smoke: every phase, tiny")
    parser.add_argument("--only", choices=list(PHASES), action="append", help="this phase alone")
    parser.add_argument("--seconds", type=float, help="how long each load is")
    parser.add_argument("--pending", type=int, help="deliveries that wait at the restart")
    parser.add_argument("--outage", type=float, metavar="SECONDS", help="how long servers hang")
    parser.add_argument("--rounds", type=int, help="how often those that hang are measured")
    parser.add_argument("--json", type=Path, metavar="FILE", default=JSON_DEFAULT)
    return parser.parse_args()


def _plan(given: argparse.Namespace) -> Plan:
    plan = QUICK if given.quick else Plan()
    if given.seconds:
        plan = replace(
            plan,
            latency_seconds=given.seconds,
            search_seconds=given.seconds,
            hanging_seconds=given.seconds,
        )
    if given.outage:
        plan = replace(plan, outage_seconds=given.outage)
    if given.rounds:
        plan = replace(plan, hanging_rounds=given.rounds)
    return replace(plan, pending=given.pending) if given.pending else plan


def _bottlenecks(results: Mapping[str, Rows]) -> list[str]:
    return [
        f"{phase} {name}: {bottleneck(row)}"
        for phase, rows in results.items()
        for name, row in rows.items()
        if row.get("generator_was_the_bottleneck") and phase != "sustained"
    ]


def _lines(results: Mapping[str, Rows]) -> Iterator[str]:
    named = [
        (f"{phase} {name}", row) for phase, rows in results.items() for name, row in rows.items()
    ]
    loads = [(name, row) for name, row in named if "from_durable_ms" in row]
    if loads:
        yield "from the durable record (and from its intended time) to the webhook's arrival"
        yield from table([HEAD, *(_load_row(name, row) for name, row in loads)])
        yield ""
    for name, row in named:
        rest = {key: value for key, value in row.items() if key not in IN_TABLE}
        if rest:
            yield f"{name}: {orjson.dumps(rest).decode()}"


def _load_row(name: str, row: Measured) -> list[object]:
    durable = row["from_durable_ms"]
    return [
        name,
        row["told"],
        *(durable[each] for each in ("p50", "p95", "p99", "max")),
        row["from_intended_ms"]["p99"],
        row["generator_lag_ms"]["p99"],
        row.get("worker_cpu_ms_per_delivery", "-"),
        row["memory_most_mb"].get("worker", "-"),
    ]


def _print_all(lines: list[str]) -> None:
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
