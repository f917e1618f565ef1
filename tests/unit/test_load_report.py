"""The report of a load stands by itself, and two runs stand side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from loadtests.page import page
from loadtests.plots import plot
from loadtests.ratios import keep, latest, lines, side_by_side

SPREAD = {"p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}
STAGES = ("accepted", "matched", "notified", "first attempt", "received")
ADDRESS = re.compile(
    r'(?:src|href|url)\s*[=(]\s*["\']?(?!#)[^"\'\s>)]+|@import|<script', re.IGNORECASE
)


def a_document(faults: list[str] | None = None) -> dict[str, Any]:
    return {
        "profile": "steady",
        "settings": {"payments a second": 100},
        "machine": {"at": "2026-11-30T03:00:00+00:00", "versions": {"keshikomi": "1 <2>"}},
        "figures": {
            "notices_sent": 10,
            "notices_accepted": 9,
            "offered_per_second": 5.0,
            "requests_per_second": 4.0,
            "recovery": {
                "ended_at_second": 7.0,
                "level_before_ms": 9.5,
                "recovered_after_seconds": 2,
            },
            "achieved_per_second": 4.5,
            "webhooks": 9,
            "to_dead_merchants": 0,
            "drained_after_seconds": 0.5,
            "cpu_ms_per_notice": {"api": 1.0, "product": 2.0},
            "stages_ms": dict.fromkeys(STAGES, SPREAD),
            "harness_memory_mb_most": 120.0,
            "stages_known": dict.fromkeys(STAGES, 8),
            "answers_ms": {"notice": SPREAD},
            "generator_lag_ms": SPREAD,
            "generator_lag_ms_worst_second": 3.0,
            "memory_mb": {"api": {"begin": 1, "end": 2, "most": 2, "per_hour": 0.1}},
            "disk_mb": {"log": {"begin": 1, "end": 2, "most": 2, "bytes": 700}},
            "backlog_most": {"settling": 3},
            "errors": {"notice 503": 1},
        },
        "series": {
            key: {"a": [(0, 1), (1, 2)]}
            for key in (
                "rate",
                "latency_ms",
                "stages_p50_ms",
                "backlog",
                "cpu_percent",
                "memory_mb",
                "disk_mb",
            )
        },
        "faults": faults or [],
        "beside": [],
    }


def test_a_report_asks_for_nothing_from_outside() -> None:
    html = page(a_document())

    assert ADDRESS.findall(html) == []
    assert html.count("<svg") == 7
    assert "<b>TRUE</b>" in html
    assert "keshikomi</td><td>1 &lt;2&gt;" in html
    assert "notice 503" in html
    assert "told within 9.5 ms (p95 before it) again: 2 s after that" in html


def test_a_report_says_what_was_wrong_first() -> None:
    html = page(a_document(["a <b> was lost"]))

    assert "<b>1 FAULTS</b>" in html
    assert "a &lt;b&gt; was lost" in html
    assert "TRUE" not in html


def test_a_plot_is_the_same_again() -> None:
    lines = {"p50": [(0.0, 1.0), (1.0, 2.0)]}

    assert plot("Latency", "ms", lines) == plot("Latency", "ms", lines)
    assert ">p50<" in plot("Latency", "ms", lines)
    assert plot("Nothing", "ms", {}).startswith("<svg")


def test_two_runs_stand_side_by_side_as_ratios() -> None:
    before = {"latency_ms": {"p50": 2.0, "p99": 0}, "rates": [1, 2], "holds": True, "old": 1}
    after = {"latency_ms": {"p50": 3.0, "p99": 5}, "rates": [3], "holds": False, "new": 1}

    _, *rows = side_by_side(before, after)

    assert rows == [("latency_ms p50", "2", "3", "1.50"), ("latency_ms p99", "0", "5", "-")]
    assert side_by_side({"a": 1}, {"b": 1}) == []


def test_a_terminal_shows_what_matters_most() -> None:
    rows = side_by_side({"ms": {"p50": 1, "p95": 2}}, {"ms": {"p50": 1, "p95": 2}})

    assert [line.split()[:2] for line in lines(rows, headlines=True)] == [
        ["before", "after"],
        ["ms", "p50"],
    ]
    assert len(lines(rows)) == 3
    assert lines([]) == ["the two runs have no figure in common"]


def test_the_run_before_is_the_latest_of_its_kind(tmp_path: Path) -> None:
    def a_run(at: str, p50: float) -> dict[str, Any]:
        return {"machine": {"at": at}, "figures": {"p50": p50}}

    assert latest(tmp_path, "steady-embedded-100x30") is None
    keep(tmp_path, "steady-embedded-100x30", a_run("2026-11-30T03:00:01+00:00", 2))
    keep(tmp_path, "steady-embedded-100x30", a_run("2026-11-30T03:00:00+00:00", 1))
    keep(tmp_path, "steady-embedded-100x300", a_run("2026-11-30T04:00:00+00:00", 3))

    found = latest(tmp_path, "steady-embedded-100x30")
    assert found is not None
    assert found["figures"]["p50"] == 2


def test_a_run_that_was_not_true_is_beside_no_other(tmp_path: Path) -> None:
    for at, faults in (("2026-11-30T03:00:00", []), ("2026-11-30T03:00:01", ["one was lost"])):
        keep(tmp_path, "steady", {"machine": {"at": at}, "faults": faults})

    found = latest(tmp_path, "steady")

    assert found is not None
    assert found["machine"]["at"] == "2026-11-30T03:00:00"
    assert latest(tmp_path, "stead") is None


@pytest.mark.parametrize("foreign", ['<img src="x.png">', "<script>", "url(http://x)"])
def test_what_a_report_must_not_have_would_be_found(foreign: str) -> None:
    assert ADDRESS.search(foreign)
