"""One table of what was measured, the engines side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from loadtests.report import Measured

Phases = Mapping[str, Measured]
"""What was measured on one engine, by phase."""
Results = Mapping[str, Phases]
"""What was measured, by engine and phase."""
Row = tuple[str, ...]

SERVERS = ("kafka", "cassandra", "redis")
UNKNOWN = "-"


def side_by_side(results: Results) -> list[Row]:
    """The head, and a row for each measure that any engine has; a dash for those that have not."""
    columns = [dict(_measures(phases)) for phases in results.values()]
    labels = dict.fromkeys(chain.from_iterable(columns))
    rows = [(label, *(column.get(label, UNKNOWN) for column in columns)) for label in labels]
    return [("", *results), *(row for row in rows if set(row[1:]) != {UNKNOWN})]


def markdown(rows: Sequence[Row]) -> list[str]:
    """Rows as a table of Markdown; the first one is the head."""
    head, *others = [f"| {' | '.join(row)} |" for row in rows]
    return [head, f"|{'---|' * len(rows[0])}", *others]


def _measures(phases: Phases) -> Iterator[tuple[str, str]]:
    """What each row is called, and its cell."""
    if start := phases.get("start"):
        yield "first start to ready, s", str(start["ready_seconds"])
        yield "invoices registered a second", str(start["registered_per_second"])
    for rate, figures in phases.get("latency", {}).items():
        yield from _of_load(rate, figures)
    if load := phases.get("sustained"):
        yield from _of_sustained(load)
    if search := phases.get("search"):
        yield "highest rate that holds, notices a second", f"{search['highest_that_holds']:g}"
    if isolation := phases.get("isolation"):
        for label, which in (("answers", "without"), ("hangs", "with_hanging")):
            at = f"{isolation['rate']:g}/s: {isolation[which]['p99']}"
            yield f"nine merchants' p99 in ms while the tenth's server {label}", at
    for merchants, figures in phases.get("history", {}).items():
        yield f"history rows a second, of {merchants}", f"{figures['rows_per_second']:,}"
    if restart := phases.get("restart"):
        for label, which in (("a clean end", "clean"), ("`kill -9`", "killed")):
            seconds = str(restart[which]["first_webhook_seconds"])
            yield (
                f"{restart['open_invoices']:,} open invoices: first webhook after {label}, s",
                seconds,
            )


def _of_load(rate: str, figures: Measured) -> Iterator[tuple[str, str]]:
    latency, cpu = figures["latency_ms"], figures["cpu_ms_per_notice"]
    yield f"{rate}: p50, p95, p99 in ms", ", ".join(str(latency[p]) for p in ("p50", "p95", "p99"))
    yield f"{rate}: CPU ms for each notice, the product", f"{cpu['product']:.2f}"
    servers = [cpu[name] for name in SERVERS if name in cpu]
    yield (
        f"{rate}: CPU ms for each notice, the servers",
        f"{sum(servers):.2f}" if servers else UNKNOWN,
    )


def _of_sustained(load: Measured) -> Iterator[tuple[str, str]]:
    verdict = "holds" if load["keeps_up"] else "does not hold"
    yield "sustained", f"{load['rate']:g}/s {verdict}"
    yield from _of_load("sustained", load)
