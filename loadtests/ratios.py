"""Two runs side by side as ratios, and the folder in which runs are kept for that.

python -m loadtests.ratios BEFORE.json AFTER.json
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import orjson

from loadtests.report import Measured, table

HEAD = ("", "before", "after", "after / before")
SUFFIX = ".json"
HEADLINES = {
    *("p50", "p99", "product", "offered_per_second", "achieved_per_second", "rows_per_second"),
    *(
        "drained_after_seconds",
        "recovered_after_seconds",
        "highest_that_holds",
        "registered_per_second",
    ),
    *("ready_seconds", "first_webhook_seconds"),
}
"""What is compared at a terminal, by the last word of a figure's path."""
Row = tuple[str, ...]


def side_by_side(before: Measured, after: Measured) -> list[Row]:
    """The head, and a row for each figure that both runs have; equal text is the same figure."""
    old, new = dict(_numbers(before)), dict(_numbers(after))
    rows = [
        (name, f"{old[name]:g}", f"{new[name]:g}", _ratio(old[name], new[name]))
        for name in new
        if name in old
    ]
    return [HEAD, *rows] if rows else []


def _ratio(before: float, after: float) -> str:
    return f"{after / before:.2f}" if before else "-"


def _numbers(figures: Mapping[str, object], before: str = "") -> Iterator[tuple[str, float]]:
    """Every single figure by its path; what is a list is a course of time and no figure."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{before}{name} ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{before}{name}", float(value)


def keep(folder: Path, name: str, document: Measured) -> Path:
    """Add a run to a history; its name tells what may be compared with what."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = str(document["machine"]["at"]).replace(":", "")
    path = folder / f"{name}-{stamp}{SUFFIX}"
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return path


def latest(folder: Path, name: str) -> Measured | None:
    """The run of this name that was kept last, of those in which all was true."""
    kept = sorted(folder.glob(f"{name}-[0-9]*{SUFFIX}"), reverse=True)
    return next((run for run in map(read, kept) if not run.get("faults")), None)


def read(path: Path) -> Measured:
    """A run that was kept."""
    document: Measured = orjson.loads(path.read_bytes())
    return document


def lines(rows: Sequence[Row], *, headlines: bool = False) -> list[str]:
    """The comparison for people, all of it or what matters most."""
    shown = [row for row in rows if row[0].split(" ")[-1] in HEADLINES] if headlines else rows
    head = [HEAD] if headlines and shown else []
    return table([*head, *shown]) if shown else ["the two runs have no figure in common"]


def main() -> None:
    """Compare two runs that were kept."""
    parser = argparse.ArgumentParser(description="Show two runs side by side.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    given = parser.parse_args()
    print("\n".join(lines(side_by_side(_figures(given.before), _figures(given.after)))))


def _figures(path: Path) -> Measured:
    """What was measured: the bench and the harness keep it under different names."""
    document = read(path)
    figures: Measured = document.get("figures") or document.get("results") or {}
    return figures


if __name__ == "__main__":
    main()
