"""Measures what a notice costs and works out what rates need: the tables of docs/capacity.md.

    python -m loadtests.capacity [--engine embedded|real] [--quick] [--only SHAPE ...]

Prints Markdown. Each shape runs on a fresh product (on real engines of its own); all of them take
less than eight minutes on a quiet machine of two cores. Exit status 1 when not everything was told
exactly once, or the generator was the bottleneck, so that a figure means nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from loadtests.capacity_model import besides, growth, measured, needed
from loadtests.capacity_points import Point, Shape, measure
from loadtests.comparing import markdown
from loadtests.engines import ENGINES
from loadtests.report import machine, machine_lines
from loadtests.verify import verdict

TRUTH = "every accepted notice was told once to each endpoint, and the audit agrees"
QUICK_SECONDS = 2.0
SHAPES: Mapping[str, Sequence[Shape]] = {
    "embedded": (
        Shape(name="plain"),
        Shape(name="slow", rate=50),
        Shape(name="fast", rate=500),
        Shape(name="2 endpoints", endpoints=2),
        Shape(name="4 endpoints", endpoints=4),
        Shape(name="2 kB", metadata_kb=2),
        Shape(name="8 kB", metadata_kb=8),
        Shape(name="30,000 open", open_invoices=30_000),
        Shape(name="1 partition", partitions=1),
        Shape(name="16 partitions", partitions=16),
    ),
    "real": (
        Shape(name="plain", rate=100),
        Shape(name="fast", rate=250),
        Shape(name="3 endpoints", rate=100, endpoints=3),
        Shape(name="8 kB", rate=100, metadata_kb=8),
        Shape(name="16 partitions", rate=100, partitions=16),
        Shape(name="2 workers", rate=100, workers=2),
    ),
}


def main() -> int:
    """Measure and print; 0 when everything was true."""
    given = _arguments()
    shapes = _chosen(given)
    with tempfile.TemporaryDirectory(prefix="keshikomi-capacity-") as folder:
        print("\n".join(machine_lines(machine(Path(folder)))), flush=True)
        points = [
            _one(shape, given, Path(folder) / f"{place}") for place, shape in enumerate(shapes)
        ]
    faults = [fault for point in points for fault in point.faults]
    print("\n".join(["", *tables(points), *verdict(faults, truth=TRUTH)]))
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what a notice costs.")
    parser.add_argument("--engine", choices=list(ENGINES), default="embedded")
    parser.add_argument("--seconds", type=float, default=10, help="of load for each shape")
    parser.add_argument("--quick", action="store_true", help="a smoke of the plain shape")
    parser.add_argument("--only", action="append", help="this shape alone, beside the plain one")
    given = parser.parse_args()
    if given.quick:
        given.seconds, given.only = QUICK_SECONDS, given.only or []
    return given


def _chosen(given: argparse.Namespace) -> list[Shape]:
    """The plain shape first, which all others are compared with."""
    plain, *others = SHAPES[given.engine]
    wanted = others if given.only is None else [each for each in others if each.name in given.only]
    return [plain, *wanted]


def _one(shape: Shape, given: argparse.Namespace, folder: Path) -> Point:
    begun = time.perf_counter()
    folder.mkdir()
    point = uvloop.run(measure(shape, folder, given.engine, given.seconds))
    took = time.perf_counter() - begun
    print(f"{shape.name}: {point.product_us:,.0f} us for each notice ({took:.0f} s)", flush=True)
    return point


def tables(points: Sequence[Point]) -> list[str]:
    """All tables, the plain shape first."""
    busiest = max(points, key=lambda point: point.shape.rate)
    return [
        "Measured, CPU in microseconds and bytes for each notice:",
        "",
        *markdown(measured(points)),
        "",
        "Measured in the plain shape beside that:",
        "",
        *markdown(besides(points[0])),
        "",
        "What grows, by the straight line through the points:",
        "",
        *markdown(growth(points)),
        "",
        f"Worked out from `{busiest.shape.name}`, since a busy process does more at once:",
        "",
        *markdown(needed(busiest)),
        "",
    ]


if __name__ == "__main__":
    sys.exit(main())
