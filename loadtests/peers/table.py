"""The figures of several peers beside each other, as a table in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Results = Mapping[str, Mapping[str, Any]]
"""By peer and phase."""
Row = Mapping[str, Any]

NOT_RUN = "not run"


def markdown(results: Results) -> list[str]:
    """One column for each peer, one row for each measure."""
    names = list(results)
    rows = [
        (title, *(_cell(results[name], phase, say) for name in names))
        for title, phase, say in _measures(results)
    ]
    head = [("", *names), ("---",) * (len(names) + 1)]
    return ["| " + " | ".join(row) + " |" for row in [*head, *rows]]


Say = Callable[[Row], str]


def _measures(results: Results) -> Iterator[tuple[str, str, Say]]:
    rates = dict.fromkeys(
        rate for each in results.values() for rate in each.get("latency", {}).get("rows", {})
    )
    for rate in rates:
        yield rate, "latency", lambda rows, rate=rate: _latency(rows[rate])  # type: ignore[misc]  # a default is the usual way to keep a loop's value
    yield "at most", "sustained", _highest
    yield "CPU for each event there", "sustained", _cost
    yield "memory there", "sustained", _memory
    yield "10 endpoints, none hangs", "hanging", lambda rows: _healthy(rows["none hangs"])
    yield "the nine while one hangs", "hanging", lambda rows: _healthy(rows["one hangs"])
    yield "`kill -9`", "kills", _killed


def _cell(phases: Mapping[str, Any], phase: str, say: Say) -> str:
    rows = phases.get(phase, {}).get("rows")
    if not rows:
        return NOT_RUN
    try:
        return say(rows)
    except KeyError:
        return NOT_RUN


def _latency(row: Row) -> str:
    found = row["latency_ms"]
    text = f"p50 {found['p50']:.1f}, p95 {found['p95']:.1f}, p99 {found['p99']:.1f} ms"
    refused = sum(row["errors"].values())
    return text + (f"; {refused} refused" if refused else "") + _missing(row)


def _missing(row: Row) -> str:
    return f"; {row['missing']} missing" if row["missing"] else ""


def _highest(rows: Row) -> str:
    tries = rows["tries"].values()
    said = f"{rows['highest']:g}/s holds" if rows["highest"] else "none of those tried"
    over = min((row for row in tries if not row["holds"]), key=_rate, default=None)
    if over is None:
        return said
    late = ": the generator was late" if over["generator_was_the_bottleneck"] else ""
    return f"{said}, {over['rate']:g}/s does not{late}"


def _rate(row: Row) -> float:
    rate: float = row["rate"]
    return rate


def _at_most(rows: Row) -> Row:
    found: Row = rows["tries"][f"{rows['highest']:g}/s"]
    return found


def _cost(rows: Row) -> str:
    row = _at_most(rows)
    below = f", below it {row['below_cpu_ms']:.2f} ms" if row["below_cpu_ms"] else ""
    return f"{row['server_cpu_ms']:.2f} ms{below}"


def _memory(rows: Row) -> str:
    return f"{_at_most(rows)['server_mb']} MB"


def _healthy(row: Row) -> str:
    found = row["latency_ms"]
    text = f"p50 {found['p50']:.1f}, p99 {found['p99']:.1f} ms"
    return text + (f"; {row['missing']} of {row['healthy']} not there" if row["missing"] else "")


def _killed(row: Row) -> str:
    return (
        f"took {row['accepted']} of {row['offered']}: {row['missing']} lost, "
        f"{row['repeats']} repeats, done {row['drained_after_seconds']:.1f} s after the load"
    )
