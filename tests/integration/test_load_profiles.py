"""Each profile of load runs through Locust, for some seconds, to a report that was verified."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from loadtests.profiles.reading import named
from tests.architecture.sources import ROOT

pytestmark = pytest.mark.integration

RATE, SECONDS, MERCHANTS = 12, 4, 9
SECONDS_MAX = 110
LAG_MS_MAX = 30_000
"""How late the generator was is the machine's affair; that nothing is untrue is ours."""


def run(profile: str, reports: Path, *more: str, lag: float = LAG_MS_MAX) -> tuple[int, str]:
    """A short run; returns its exit status and what it printed."""
    command = (sys.executable, "-m", "loadtests.harness", profile, "--rate", str(RATE))
    size = ("--seconds", str(SECONDS), "--merchants", str(MERCHANTS), "--lag", str(lag))
    ended = subprocess.run(
        [*command, *size, "--reports", str(reports), *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def report(reports: Path) -> dict[str, Any]:
    (kept,) = reports.glob("*.json")
    assert "<svg" in kept.with_suffix(".html").read_text("utf-8")
    found: dict[str, Any] = orjson.loads(kept.read_bytes())
    return found


@pytest.mark.parametrize("profile", named())
def test_a_short_run_of_each_profile_ends_with_the_truth(profile: str, tmp_path: Path) -> None:
    status, said = run(profile, tmp_path)

    assert status == 0, said
    found = report(tmp_path)
    figures = found["figures"]
    assert "TRUE" in said
    assert found["faults"] == []
    assert figures["errors"] == {}
    assert figures["notices_accepted"] == figures["notices_sent"] > RATE
    assert figures["latency_ms"]["p50"] > 0
    assert set(figures["cpu_ms_per_notice"]) >= {"api", "worker", "generator", "receiver"}
    assert set(found["series"]["backlog"]) >= {"settling", "notifying"}
    assert (figures["to_dead_merchants"] > 0) is (profile == "dead_merchants")


def test_a_generator_that_was_the_bottleneck_is_no_result(tmp_path: Path) -> None:
    status, said = run("steady", tmp_path, "--workers", "2", lag=0)

    (fault,) = report(tmp_path)["faults"]
    assert status == 1, said
    assert "the generator was the bottleneck" in fault
