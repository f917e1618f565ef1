"""The report of a run as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from loadtests.journeys import STAGES
from loadtests.plots import plot
from loadtests.recovering import recovery_lines
from loadtests.report import Measured
from loadtests.verify import shown

STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; color: #222 }
table { border-collapse: collapse; margin: 0.5em 0 1.5em } td, th { padding: 0.15em 0.8em;
border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left }
.true { color: #070 } .false { color: #a00 } svg { max-width: 100%; height: auto }
"""
PLOTS = (
    ("rate", "Requests offered and accepted, and webhooks", "a second"),
    ("latency_ms", "From the intended time of a notice to its webhook", "ms"),
    ("stages_p50_ms", "The same, to each stage (p50)", "ms"),
    ("backlog", "Records that a stage has yet to take", "records"),
    ("cpu_percent", "CPU of each process, 100 is one core", "%"),
    ("memory_mb", "Resident memory of each process", "MB"),
    ("disk_mb", "Files on disk", "MB"),
)
SPREAD = ("p50", "p95", "p99", "max")


def page(document: Measured) -> str:
    """The HTML of a report."""
    title = f"keshikomi under load: {document['profile']}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        *_verdict(document["faults"]),
        *_figures(document["figures"]),
        *(plot(name, unit, document["series"][key]) for key, name, unit in PLOTS),
        *_processes(document["figures"]),
        "<h2>Errors by kind</h2>",
        *_pairs(document["figures"]["errors"] or {"none": 0}),
        "<h2>Settings</h2>",
        *_pairs(document["settings"]),
        "<h2>Machine and versions</h2>",
        *_pairs(_flat(document["machine"])),
    ]
    if document["beside"]:
        parts += ["<h2>Beside the run before</h2>", *_table(document["beside"])]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _verdict(faults: Sequence[str]) -> Iterator[str]:
    if not faults:
        yield '<p class="true"><b>TRUE</b>: every accepted notice ended as it must.</p>'
        return
    yield f'<p class="false"><b>{len(faults)} FAULTS</b></p><ul class="false">'
    yield from (f"<li>{escape(fault)}</li>" for fault in shown(faults))
    yield "</ul>"


def _figures(figures: Measured) -> Iterator[str]:
    harness_mb = figures["harness_memory_mb_most"]
    yield from _pairs(
        {
            "notices sent, accepted": f"{figures['notices_sent']}, {figures['notices_accepted']}",
            "offered a second": figures["offered_per_second"],
            "requests a second, a file of several payments being one": figures[
                "requests_per_second"
            ],
            "achieved a second": figures["achieved_per_second"],
            "webhooks to living merchants": figures["webhooks"],
            "webhooks to dead merchants": figures["to_dead_merchants"],
            "drained, seconds after the last answer": figures["drained_after_seconds"],
            "CPU ms of the product for each notice": figures["cpu_ms_per_notice"]["product"],
            "lag of the generator in its worst second, ms (p99)": figures[
                "generator_lag_ms_worst_second"
            ],
            "MB of memory that the harness took, the truth included": harness_mb,
        }
    )
    yield from (f"<p>{escape(line)}</p>" for line in recovery_lines(figures["recovery"]))
    yield "<h2>Milliseconds since the time at which it was meant to leave</h2>"
    known = figures["stages_known"]
    rows = [(f"{stage} (of {known[stage]})", figures["stages_ms"][stage]) for stage in STAGES]
    rows += [(f"answered: {what}", each) for what, each in figures["answers_ms"].items()]
    rows.append(("lag of the generator", figures["generator_lag_ms"]))
    yield from _table(
        [("", *SPREAD), *((name, *(each[share] for share in SPREAD)) for name, each in rows)]
    )


def _processes(figures: Measured) -> Iterator[str]:
    yield "<h2>Processes</h2>"
    cpu, backlog = figures["cpu_ms_per_notice"], figures["backlog_most"]
    head = ("", "CPU ms for each notice", "MB begin", "end", "most", "% an hour after warm-up")
    rows = [
        (name, cpu.get(name, ""), *each.values()) for name, each in figures["memory_mb"].items()
    ]
    yield from _table([head, *rows])
    yield "<h2>Disk</h2>"
    parts = [(name, *each.values()) for name, each in figures["disk_mb"].items()]
    yield from _table([("", "MB begin", "end", "most", "bytes for each notice"), *parts])
    yield "<h2>Most records that a stage had yet to take</h2>"
    yield from _pairs(backlog)


def _pairs(values: Mapping[str, object]) -> Iterator[str]:
    yield from _table([(name, value) for name, value in values.items()], has_head=False)


def _table(rows: Iterable[Sequence[object]], *, has_head: bool = True) -> Iterator[str]:
    yield "<table>"
    for place, row in enumerate(rows):
        tag = "th" if has_head and not place else "td"
        yield (
            "<tr>"
            + "".join(
                f"<{tag}>{escape('-' if cell is None else str(cell))}</{tag}>" for cell in row
            )
            + "</tr>"
        )
    yield "</table>"


def _flat(values: Mapping[str, object], before: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name} ")
        else:
            found[f"{before}{name}"] = value
    return found
