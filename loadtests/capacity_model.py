"""From what one notice costs to what a rate needs; what is not measured is called extrapolated.

The model is a sum: each process uses so many microseconds for each notice, so a rate uses so many
cores, of which a machine is planned to be half busy. Where one process cannot be two, it is the
limit; on Kafka a stage has at most one process for each partition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from loadtests.capacity_points import Each, Point
from loadtests.disk import MEGABYTE
from loadtests.report import line_slope
from streams.topics import DAY_SECONDS

RATES = (1_000, 10_000, 100_000)
USE_MAX = 0.5
"""How busy a core is planned to be: queues grow long before it is full."""
CORES = 8
"""Of a machine."""
PARTITIONS_MAX = 64
COPIES = 3
"""Of every record and row, on real engines."""
HELPERS = frozenset({"receiver", "generator"})
SINGLE = frozenset({"worker", "archiver"})
"""The processes of which the embedded engines carry one alone."""
GIGABYTE = 1e9

Row = tuple[str, ...]


def engines_us(point: Point) -> dict[str, float]:
    """CPU of Kafka, Cassandra and Redis for each notice."""
    return {name: point.cpu_us[name] for name in sorted(point.around - HELPERS)}


def parts_us(point: Point) -> dict[str, float]:
    """CPU of each process of the product for each notice; workers of one stage are one part."""
    found: dict[str, float] = {}
    for name, us in point.cpu_us.items():
        if name not in point.around:
            part = name.removesuffix(" 2")
            found[part] = found.get(part, 0.0) + us
    return found


# --- measured


def measured(points: Sequence[Point]) -> list[Row]:
    """What was measured of each shape."""
    parts = [*dict.fromkeys(part for point in points for part in parts_us(point))]
    engines = [*engines_us(points[0])]
    head = ("Shape", "Notices a second", "Product, us", *parts, *engines)
    rows: list[Row] = [(*head, "Log, bytes", "History, bytes")]
    for point in points:
        each = parts_us(point) | engines_us(point)
        costs = [f"{each.get(part, 0.0):,.0f}" for part in (*parts, *engines)]
        # Of what was only registered the files have a part too.
        sizes = ("-", "-") if point.shape.open_invoices else _sizes(point)
        rate = f"{point.shape.rate:g}"
        rows.append((point.shape.name, rate, f"{point.product_us:,.0f}", *costs, *sizes))
    return rows


def _sizes(point: Point) -> tuple[str, str]:
    log, history = (point.stored_bytes[name] for name in ("log", "history"))
    return _figure(log), _figure(history)


def _figure(size: float) -> str:
    """A size; Cassandra may keep all of a short run in its commit log, which tells nothing."""
    return f"{size:,.0f}" if size else "-"


def besides(point: Point) -> list[Row]:
    """What the first shape uses beside its notices, and the stages within."""
    rows: list[Row] = [("", "us")]
    ours = [name for name in point.idle_us if name not in point.around]
    registering = sum(point.registering_us[name] for name in ours)
    rows.append(("product, for each invoice that is registered", f"{registering:,.0f}"))
    rows.append(
        (
            "product, for each second in which nothing happens",
            f"{sum(point.idle_us[name] for name in ours):,.0f}",
        )
    )
    rows += [(f"within the step `{stage}`", f"{us:,.0f}") for stage, us in point.step_us.items()]
    return rows


# --- how it grows


def growth(points: Sequence[Point]) -> list[Row]:
    """What one more of each costs a notice, by the straight line through its points."""
    rows: list[Row] = [("One more", "Product, us", "Log, bytes", "History, bytes", "Points")]
    for name, member in (
        ("endpoint of the merchant", "endpoints"),
        ("kB in the invoice", "metadata_kb"),
        ("open invoice", "open_invoices"),
        ("partition of each topic", "partitions"),
        ("worker of each stage", "workers"),
    ):
        of = partial(_shape, member)
        some = _varied(points, of)
        if len(some) > 1:
            sizes = ["-", "-"]
            if "open" not in name:
                sizes = [
                    f"{line_slope([(of(p), p.stored_bytes[kind]) for p in some]):+,.0f}"
                    if points[0].stored_bytes[kind]
                    else "-"
                    for kind in ("log", "history")
                ]
            us = line_slope([(of(point), point.product_us) for point in some])
            at = ", ".join(f"{of(point):g}" for point in some)
            rows.append((name, f"{us:+,.4g}", *sizes, at))
    return rows


def _shape(member: str, point: Point) -> float:
    """How many of these a shape has."""
    return float(getattr(point.shape, member))


def _varied(points: Sequence[Point], of: Callable[[Point], float]) -> list[Point]:
    """The first shape, and those that differ from it in this and in nothing else."""
    first = points[0]
    others = [
        point
        for point in points[1:]
        if of(point) != of(first) and point.shape.rate == first.shape.rate
    ]
    return sorted([first, *others], key=of) if others else [first]


# --- what a rate needs


def needed(point: Point, *, rates: Sequence[float] = RATES) -> list[Row]:
    """What each rate needs, worked out from one shape."""
    rows: list[Row] = [
        (
            "Notices a second",
            "",
            "Product, cores",
            "Engines, cores",
            "Log, MB a second",
            "History, GB a day",
            f"Machines of {CORES} cores",
            "First too small",
        )
    ]
    for rate in (point.shape.rate, *rates):
        is_real = bool(engines_us(point))
        copies = COPIES if is_real else 1
        product, engines = (_cores(each.values(), rate) for each in _both(point))
        total = product + engines * copies
        log, history = (point.stored_bytes[name] * rate * copies for name in ("log", "history"))
        rows.append(
            (
                f"{rate:,.0f}",
                "measured" if rate <= point.shape.rate else "extrapolated",
                f"{product:,.1f}",
                f"{engines * copies:,.1f}",
                f"{log / MEGABYTE:,.0f}",
                _figure(history * DAY_SECONDS / GIGABYTE),
                f"{math.ceil(total / CORES / USE_MAX):,}",
                limit(parts_us(point), rate, is_real=is_real),
            )
        )
    return rows


def _both(point: Point) -> Iterator[Mapping[str, float]]:
    yield parts_us(point)
    yield engines_us(point)


def _cores(us: Iterable[float], rate: float) -> float:
    return sum(us) * rate / 1e6


def limit(parts: Each, rate: float, *, is_real: bool) -> str:
    """The part that is the bottleneck at a rate, and whether it can be had at all."""
    if not is_real:
        name = max(SINGLE & parts.keys(), key=lambda part: parts[part])
        most = 1e6 / parts[name]
        products = math.ceil(rate / most / USE_MAX)
        share = f"; {products:,} products, each with some merchants" if rate > most else ""
        return f"the one {name}, {most:,.0f} a second at most{share}"
    name = max(parts, key=lambda part: parts[part])
    processes = math.ceil(parts[name] * rate / 1e6 / USE_MAX)
    stages = {part: us for part, us in parts.items() if part != "api"}
    largest = max(stages, key=lambda part: stages[part])
    workers = math.ceil(stages[largest] * rate / 1e6 / USE_MAX)
    if workers > PARTITIONS_MAX:
        return f"`{largest}`: {workers:,} workers, and {PARTITIONS_MAX} partitions at most"
    return f"`{name}`: {processes:,} process{'es' if processes > 1 else ''}"
