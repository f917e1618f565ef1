"""Measures the whole product on this machine, and checks after each phase that it told the truth.

    python -m loadtests.bench [--engine embedded|real] [--alone] [--quick] [--only PHASE ...]
        [--json FILE] [--report FILE] [--history FOLDER]

The product runs as `keshikomi up` in a temporary directory, the receiver of its webhooks in a
process of its own, the generator in this one; all share the cores of this machine, and nothing
leaves it. With `--engine real` so do a Kafka broker, a Cassandra node and a Redis, which are
started for each phase; unless `--alone` is given the embedded engines are measured before them,
in the same phases, and the report has both side by side.
Exit status 1 when a notice was not told exactly as it must be, or when the generator was the
bottleneck, so that a figure means nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import uvloop

from loadtests import ratios
from loadtests.comparing import Results, markdown, side_by_side
from loadtests.engines import ENGINES
from loadtests.phases import (
    PHASES,
    QUICK,
    Bench,
    Plan,
    comparable,
    on_real_engines,
)
from loadtests.report import Measured, machine, machine_lines, table
from loadtests.verify import verdict

TRUTH = "every accepted notice was told exactly once, to exactly whom it concerns"
HEAD = ("", "accepted", "p50 ms", "p95 ms", "p99 ms", "max ms", "lag p99", "drained s", "keeps up")
PARTS = ("accepted", "received", "matched", "told")


def main() -> int:
    """Measure and print; 0 when everything was true."""
    given = _arguments()
    say = partial(print, flush=True)
    with tempfile.TemporaryDirectory(prefix="keshikomi-bench-") as folder:
        facts = machine(Path(folder))
        _print_all(machine_lines(facts))
        benches = [
            Bench(folder=Path(folder) / name, plan=_plan(given, name), say=say, engine=name)
            for name in _engines(given)
        ]
        results = {each.engine: uvloop.run(_measure(each, _phases(given))) for each in benches}
    wrong = [fault for each in benches for fault in each.faults] + _bottlenecks(results)
    document = {"machine": facts, "results": results, "faults": wrong}
    beside = _beside_the_one_before(given, document)
    ending = [*markdown(side_by_side(results)), "", *beside, *verdict(wrong, truth=TRUTH)]
    _print_all(["", *_lines(results), "", *ending])
    if given.report:
        told = ["# Benchmarks", "", *machine_lines(facts), "", *ending, ""]
        given.report.parent.mkdir(parents=True, exist_ok=True)
        given.report.write_text("\n".join(told))
    if given.json:
        given.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return 1 if wrong else 0


async def _measure(bench: Bench, names: list[str]) -> dict[str, Measured]:
    bench.folder.mkdir()
    results: dict[str, Measured] = {}
    for name in names:
        print(f"\n{bench.engine} {name}: {(PHASES[name].__doc__ or '').strip()}", flush=True)
        begun = time.perf_counter()
        results[name] = await PHASES[name](bench)
        print(f"  took {time.perf_counter() - begun:.0f} s", flush=True)
    return results


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the whole product on this machine.")
    parser.add_argument("--engine", choices=list(ENGINES), default="embedded", help="what is below")
    parser.add_argument("--alone", action="store_true", help="the real engines by themselves")
    parser.add_argument("--quick", action="store_true", help="a smoke of about a minute")
    parser.add_argument("--only", choices=list(PHASES), action="append", help="this phase alone")
    parser.add_argument("--seconds", type=float, help="how long each load is")
    parser.add_argument("--rate", type=float, help="the rate of the sustained load")
    parser.add_argument("--invoices", type=int, help="open invoices at the restart")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all figures")
    parser.add_argument("--report", type=Path, metavar="FILE", help="keep the table, as Markdown")
    parser.add_argument(
        "--history", type=Path, metavar="FOLDER", help="keep it beside earlier ones"
    )
    return parser.parse_args()


def _phases(given: argparse.Namespace) -> list[str]:
    if given.only:
        return list(given.only)
    return [name for name in PHASES if not (given.quick and name == "search")]


def _engines(given: argparse.Namespace) -> list[str]:
    return list(ENGINES) if given.engine == "real" and not given.alone else [given.engine]


def _plan(given: argparse.Namespace, engine: str) -> Plan:
    plan = QUICK if given.quick else Plan()
    if len(_engines(given)) > 1:
        plan = comparable(plan)
    if engine == "real":
        plan = on_real_engines(plan)
    if given.seconds:
        plan = replace(
            plan,
            latency_seconds=given.seconds,
            sustained_seconds=given.seconds,
            isolation_seconds=given.seconds,
        )
    if given.rate:
        plan = replace(plan, sustained_rate=given.rate)
    return replace(plan, restart_invoices=given.invoices) if given.invoices else plan


def _beside_the_one_before(given: argparse.Namespace, document: Measured) -> list[str]:
    """Keep the run, and say as ratios how it differs from the one of its kind before it."""
    if not given.history:
        return []
    name = "-".join(["bench", *_engines(given), *(["quick"] if given.quick else [])])
    before = ratios.latest(given.history, name)
    ratios.keep(given.history, name, document)
    if before is None:
        return []
    rows = ratios.side_by_side(before["results"], document["results"])
    return [
        f"beside the run of {before['machine']['at']}:",
        *ratios.lines(rows, headlines=True),
        "",
    ]


# --- what was found, in lines


def _loads(phases: Mapping[str, Measured]) -> Iterator[tuple[str, Measured]]:
    for rate, figures in phases.get("latency", {}).items():
        yield f"latency {rate}", figures
    if "sustained" in phases:
        yield f"sustained {phases['sustained']['rate']:g}/s", phases["sustained"]
    for figures in phases.get("search", {}).get("tries", []):
        yield f"search {figures['rate']:g}/s", figures


def _bottlenecks(results: Results) -> list[str]:
    return [
        f"{engine} {name}: the generator was late by {figures['generator_lag_ms']['p99']} ms (p99)"
        for engine, phases in results.items()
        for name, figures in _loads(phases)
        if figures["generator_was_the_bottleneck"] and not name.startswith("search")
    ]


def _lines(results: Results) -> Iterator[str]:
    loads = [
        (f"{engine} {name}", figures)
        for engine, phases in results.items()
        for name, figures in _loads(phases)
    ]
    if loads:
        yield "from the notice's intended time to the webhook's arrival"
        yield from table([HEAD, *(_load_row(name, figures) for name, figures in loads)])
        yield ""
        yield "the parts of the way, p50 and p99 in ms: notice answered; received by the API,"
        yield "then matched, then told (their sum is the whole way; whole ms in the payload)"
        yield from table([("", *PARTS), *(_stage_row(name, each) for name, each in loads)])
    for engine, phases in results.items():
        yield from _engine_lines(engine, phases)


def _engine_lines(engine: str, phases: Mapping[str, Measured]) -> Iterator[str]:
    loads = list(_loads(phases))
    if loads:
        yield ""
        yield f"{engine}: CPU ms for each accepted notice, and memory in MB at the end (most)"
        names = list(loads[0][1]["cpu_ms_per_notice"])
        yield from table([("", *names), *(_process_row(each, names) for each in loads)])
    for name in ("start", "isolation", "restart", "history"):
        if name in phases:
            yield f"{engine} {name}: {orjson.dumps(phases[name]).decode()}"
    if "search" in phases:
        yield f"{engine}: the highest rate that holds: {phases['search']['highest_that_holds']:g}/s"


def _load_row(name: str, figures: Measured) -> list[object]:
    latency = [figures["latency_ms"][each] for each in ("p50", "p95", "p99", "max")]
    errors = f" ({figures['errors']})" if figures["errors"] else ""
    return [
        name,
        f"{figures['accepted']}{errors}",
        *latency,
        figures["generator_lag_ms"]["p99"],
        figures["drained_after_seconds"],
        "yes" if figures["keeps_up"] else "NO",
    ]


def _stage_row(name: str, figures: Measured) -> list[object]:
    stages = figures["stages_ms"]
    pairs = [stages.get(part, {}) for part in PARTS]
    return [name, *(f"{pair.get('p50', '-')} {pair.get('p99', '-')}" for pair in pairs)]


def _process_row(load: tuple[str, Measured], names: list[str]) -> list[object]:
    name, figures = load
    memory = figures["memory_mb"]
    cells: list[object] = []
    for process in names:
        used: Any = figures["cpu_ms_per_notice"].get(process, "-")
        kept = memory.get(process)
        cells.append(f"{used} {kept['end']:.0f} ({kept['most']:.0f})" if kept else str(used))
    return [name, *cells]


def _print_all(lines: list[str]) -> None:
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
