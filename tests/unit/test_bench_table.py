"""The bench puts its engines side by side, and says of each what it measured."""

from __future__ import annotations

from typing import Any

from loadtests.bench import Run
from loadtests.comparing import markdown, side_by_side
from loadtests.phases import QUICK, REAL_RATE, Plan, comparable, on_real_engines


def a_load(rate: float = 50, **cpu: float) -> dict[str, Any]:
    return {
        "rate": rate,
        "keeps_up": rate < 500,
        "latency_ms": {"p50": 3.5, "p95": 5.0, "p99": 8.2, "max": 9.0},
        "cpu_ms_per_notice": {"product": 2.3, "generator": 9.9, **cpu},
    }


FILES: dict[str, Any] = {
    "start": {"ready_seconds": 1.7, "registered_per_second": 1_300},
    "latency": {"50/s": a_load()},
    "sustained": a_load(700),
    "history": {"1 merchant": {"rows_per_second": 57_000}},
}
SERVERS: dict[str, Any] = {
    "start": {"ready_seconds": 9.0, "registered_per_second": 240},
    "latency": {"50/s": a_load(kafka=0.9, cassandra=1.2)},
    "sustained": a_load(300),
    "search": {"highest_that_holds": 400.0, "tries": []},
}


def test_each_measure_is_one_row_and_each_engine_one_column() -> None:
    head, *rows = side_by_side({"embedded": FILES, "real": SERVERS})
    found = {label: cells for label, *cells in rows}

    assert head == ("", "embedded", "real")
    assert len(found) == len(rows)
    assert found["invoices registered a second"] == ["1300", "240"]
    assert found["50/s: p50, p95, p99 in ms"] == ["3.5, 5.0, 8.2"] * 2
    assert found["50/s: CPU ms for each notice, the product"] == ["2.30", "2.30"]
    assert found["sustained"] == ["700/s does not hold", "300/s holds"]


def test_what_an_engine_did_not_measure_is_a_dash() -> None:
    _, *rows = side_by_side({"embedded": FILES, "real": SERVERS})
    found = {label: cells for label, *cells in rows}

    assert found["50/s: CPU ms for each notice, the servers"] == ["-", "2.10"]
    assert found["highest rate that holds, notices a second"] == ["-", "400"]
    assert found["history rows a second, of 1 merchant"] == ["57,000", "-"]


def test_what_no_engine_has_is_no_row() -> None:
    labels = [row[0] for row in side_by_side({"embedded": FILES})]

    assert "50/s: CPU ms for each notice, the product" in labels
    assert "50/s: CPU ms for each notice, the servers" not in labels


def test_the_table_is_markdown() -> None:
    assert markdown([("", "a"), ("row", "1")]) == ["|  | a |", "|---|---|", "| row | 1 |"]


def test_engines_that_are_compared_have_the_same_rates() -> None:
    for plan in (Plan(), QUICK):
        together = comparable(plan)

        assert list(together.latency_rates) == [50, 200, REAL_RATE]
        assert on_real_engines(together).latency_rates == together.latency_rates


def test_a_load_that_a_process_did_not_survive_is_a_fault_of_the_bench() -> None:
    load = a_load(50) | {"generator_was_the_bottleneck": False, "lost_processes": ["worker ended"]}
    run = Run(facts={}, benches=[], phases=[])
    run.results = {"embedded": {"latency": {"50/s": load}}}

    assert run.wrong == ["embedded latency 50/s: worker ended"]


def test_a_late_generator_is_a_fault_in_each_phase_that_offers_a_load() -> None:
    late = a_load(50) | {
        "generator_was_the_bottleneck": True,
        "generator_lag_ms": {"p99": 35.0},
        "generator_lag_ms_worst_second": 40.0,
        "generator_starved": 0,
        "lost_processes": [],
    }
    run = Run(facts={}, benches=[], phases=[])
    run.results = {
        "embedded": {
            "latency": {"50/s": late},
            "sustained": late,
            "isolation": {"p99_ratio": 1.1, "loads": {"0 /hang/9": late}},
            "restart": {"open_invoices": 500, "killed": late},
            "search": {"highest_that_holds": 50, "tries": [late]},
        }
    }

    phases = [fault.partition(": the generator was late by 35.0 ms")[0] for fault in run.wrong]

    assert phases == [
        *("embedded latency 50/s", "embedded sustained 50/s"),
        *("embedded isolation 0 /hang/9", "embedded restart killed"),
    ]
