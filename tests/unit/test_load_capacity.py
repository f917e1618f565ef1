"""What a rate needs follows from what one notice costs, and says what is no measurement."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.capacity import tables
from loadtests.capacity_model import growth, limit, measured, needed
from loadtests.capacity_points import Point, Shape

EMBEDDED = Point(
    shape=Shape(name="plain"),
    notices=2_000,
    cpu_us={"api": 400.0, "worker": 800.0, "archiver": 300.0, "receiver": 40.0, "generator": 60.0},
    registering_us={"api": 500.0, "worker": 200.0, "generator": 60.0},
    idle_us={"api": 3_000.0, "worker": 2_000.0, "generator": 100.0},
    step_us={"settling": 150.0},
    around=frozenset({"receiver", "generator"}),
    stored_bytes={"log": 20_000.0, "history": 10_000.0},
)
REAL = replace(
    EMBEDDED,
    shape=Shape(name="plain", rate=100),
    cpu_us={"api": 800.0, "settling": 700.0, "settling 2": 50.0, "notifying": 1_000.0}
    | {"kafka": 900.0, "cassandra": 1_200.0, "redis": 0.0, "receiver": 40.0, "generator": 60.0},
    around=frozenset({"receiver", "generator", "kafka", "cassandra", "redis"}),
)


def with_endpoints(count: int, product_us: float, log: float) -> Point:
    return replace(
        EMBEDDED,
        shape=Shape(name=f"{count} endpoints", endpoints=count),
        cpu_us={"worker": product_us, "receiver": 1.0},
        stored_bytes={"log": log, "history": 10_000.0},
    )


def test_only_processes_of_the_product_count_as_its_own() -> None:
    head, row = measured([EMBEDDED])

    assert dict(zip(head, row, strict=True)) == {
        "Shape": "plain",
        "Notices a second": "200",
        "Product, us": "1,500",
        "api": "400",
        "worker": "800",
        "archiver": "300",
        "Log, bytes": "20,000",
        "History, bytes": "10,000",
    }


def test_workers_of_one_stage_are_one_part_and_engines_stand_apart() -> None:
    head, row = measured([REAL])
    found = dict(zip(head, row, strict=True))

    assert (found["Product, us"], found["settling"], found["cassandra"]) == (
        "2,550",
        "750",
        "1,200",
    )
    assert "settling 2" not in found


def test_growth_is_the_line_through_the_shapes_that_differ_in_it_alone() -> None:
    fast = replace(EMBEDDED, shape=Shape(name="fast", rate=500), cpu_us={"worker": 9_000.0})
    points = [EMBEDDED, fast, with_endpoints(2, 1_800, 22_000), with_endpoints(4, 2_400, 26_000)]

    _, row = growth(points)

    assert row == ("endpoint of the merchant", "+300", "+2,000", "+0", "1, 2, 4")


def test_a_rate_beyond_the_measured_one_is_extrapolated() -> None:
    _, *rows = needed(EMBEDDED, rates=(1_000,))

    assert [row[:6] for row in rows] == [
        ("200", "measured", "0.3", "0.0", "4", "173"),
        ("1,000", "extrapolated", "1.5", "0.0", "20", "864"),
    ]
    assert rows[1][6] == "1"


def test_engines_are_counted_with_their_copies() -> None:
    _, _, row = needed(REAL, rates=(10_000,))

    assert row[2:5] == ("25.5", "63.0", "600")
    assert row[6] == "23"


@pytest.mark.parametrize(
    ("engine", "rate", "found"),
    [
        ("embedded", 1_000, "the one worker, 1,250 a second at most"),
        ("embedded", 10_000, "the one worker, 1,250 a second at most; 16 products, each"),
        ("real", 1_000, "`notifying`: 2 processes"),
        ("real", 32_000, "`notifying`: 64 processes"),
        ("real", 100_000, "`notifying`: 200 workers, and 64 partitions at most"),
    ],
)
def test_the_bottleneck_is_named(engine: str, rate: float, found: str) -> None:
    is_real = engine == "real"
    parts = {"api": 400.0, "notifying": 1_000.0} if is_real else EMBEDDED.cpu_us

    assert limit(parts, rate, is_real=is_real).startswith(found)


def test_all_tables_are_markdown() -> None:
    lines = tables([EMBEDDED, with_endpoints(2, 1_800, 22_000)])

    assert sum(line.startswith("|---") for line in lines) == 4
    assert "| product, for each invoice that is registered | 700 |" in lines
    assert "| within the step `settling` | 150 |" in lines


def test_what_is_needed_is_worked_out_from_the_highest_rate() -> None:
    fast = replace(EMBEDDED, shape=Shape(name="fast", rate=500), cpu_us={"worker": 1_000.0})

    lines = tables([EMBEDDED, fast])

    assert any(line.startswith("| 500 | measured | 0.5 |") for line in lines)
    assert not any(line.startswith("| 200 | measured") for line in lines)


def test_history_that_is_not_on_the_disk_yet_has_no_size() -> None:
    points = [
        replace(point, stored_bytes={"log": 20_000.0, "history": 0.0})
        for point in (REAL, replace(REAL, shape=Shape(name="2", rate=100, endpoints=2)))
    ]

    rows = [measured(points)[1], growth(points)[1], needed(points[0])[1]]

    assert [rows[0][-1], rows[1][3], rows[2][5]] == ["-", "-", "-"]
