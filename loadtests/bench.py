"""Measures the whole product on this machine, and checks after each phase that it told the truth.

    python -m loadtests.bench [--engine embedded|real] [--alone] [--quick] [--only PHASE ...]
        [--json FILE] [--report FILE] [--history FOLDER]

The product runs as `keshikomi up` in a temporary directory, the receiver of its webhooks in a
process of its own, the generator in this one; all share the cores of this machine, and nothing
leaves it. With `--engine real` so do a Kafka broker, a Cassandra node and a Redis, which are
started for each phase; unless `--alone` is given each phase is measured on the embedded engines
before them, and the report has both side by side. Report and figures are written anew after each
phase of each engine, so that a run which is ended early keeps what it measured.
Exit status 1 when a notice was not told exactly as it must be, or when the generator was the
bottleneck, so that a figure means nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import uvloop

from loadtests import ratios
from loadtests.comparing import Results, markdown, side_by_side
from loadtests.engines import ENGINES
from loadtests.judging import faults_of_loads, loads_of
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


@dataclass(slots=True, kw_only=True)
class Run:
    """What is to be measured, and what has been."""

    facts: Measured
    benches: Sequence[Bench]
    phases: Sequence[str]
    results: dict[str, dict[str, Measured]] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        """Everything that was not as it must be."""
        faults = [fault for each in self.benches for fault in each.faults]
        return faults + faults_of_loads(self.results)

    @property
    def lacking(self) -> list[str]:
        """The phases of each engine that have not ended yet."""
        return [
            f"{each.engine} {name}"
            for name in self.phases
            for each in self.benches
            if name not in self.results[each.engine]
        ]

    def document(self) -> Measured:
        """All of it as values for programs."""
        found = {"machine": self.facts, "results": self.results}
        return {**found, "faults": self.wrong, "not_measured": self.lacking}


def main() -> int:
    """Measure and print; 0 when everything was true."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="keshikomi-bench-") as folder:
        run = Run(
            facts=machine(Path(folder)),
            benches=[_bench(given, name, Path(folder)) for name in _engines(given)],
            phases=_phases(given),
        )
        _print_all(machine_lines(run.facts))
        uvloop.run(_measure(run, given))
    beside = _beside_the_one_before(given, run.document())
    _print_all(["", *_lines(run.results), "", *_ending(run, beside)])
    _keep(given, run, beside)
    return 1 if run.wrong else 0


def _bench(given: argparse.Namespace, engine: str, folder: Path) -> Bench:
    say = partial(print, flush=True)
    bench = Bench(folder=folder / engine, plan=_plan(given, engine), say=say, engine=engine)
    bench.folder.mkdir()
    return bench


async def _measure(run: Run, given: argparse.Namespace) -> None:
    """Phase by phase, each on one engine after the other; what was measured is kept at once."""
    run.results = {bench.engine: {} for bench in run.benches}
    this = asyncio.current_task()
    assert this is not None
    # As Ctrl-C does: what was started is ended.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    for name in run.phases:
        for bench in run.benches:
            print(f"\n{bench.engine} {name}: {(PHASES[name].__doc__ or '').strip()}", flush=True)
            begun = time.perf_counter()
            run.results[bench.engine][name] = await PHASES[name](bench)
            print(f"  took {time.perf_counter() - begun:.0f} s", flush=True)
            _keep(given, run)
        of_phase = {engine: {name: found[name]} for engine, found in run.results.items()}
        _print_all(["", *markdown(side_by_side(of_phase))])


def _ending(run: Run, beside: Sequence[str] = ()) -> list[str]:
    lacking = [f"not measured yet: {', '.join(run.lacking)}", ""] if run.lacking else []
    judged = verdict(run.wrong, truth=TRUTH)
    return [*markdown(side_by_side(run.results)), "", *beside, *lacking, *judged]


def _keep(given: argparse.Namespace, run: Run, beside: Sequence[str] = ()) -> None:
    """Write what there is so far: whoever ends a run early has what it measured."""
    if given.report:
        told = ["# Benchmarks", "", *machine_lines(run.facts), "", *_ending(run, beside), ""]
        _write(given.report, "\n".join(told).encode())
    if given.json:
        _write(given.json, orjson.dumps(run.document(), option=orjson.OPT_INDENT_2))


def _write(path: Path, content: bytes) -> None:
    """All of it or what was there before, whenever this process is ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


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


def _kind(given: argparse.Namespace) -> str:
    """What runs must share to be compared: the engines, and all that changes what is measured."""
    sizes = {name: vars(given)[name] for name in ("rate", "seconds", "invoices")}
    return "-".join(
        [
            *("bench", *_engines(given), *(["quick"] if given.quick else [])),
            *(f"{name}{value:g}" for name, value in sizes.items() if value),
            *sorted(given.only or []),
        ]
    )


def _beside_the_one_before(given: argparse.Namespace, document: Measured) -> list[str]:
    """Keep the run, and say as ratios how it differs from the one of its kind before it."""
    if not given.history:
        return []
    name = _kind(given)
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


def _lines(results: Results) -> Iterator[str]:
    loads = [
        (f"{engine} {name}", figures)
        for engine, phases in results.items()
        for name, figures in loads_of(phases)
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
    loads = list(loads_of(phases))
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
