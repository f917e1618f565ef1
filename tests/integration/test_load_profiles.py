"""Each profile of load runs through Locust, for some seconds, to a report that was verified."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from loadtests.profiles.reading import named
from tests.architecture.sources import ROOT

pytestmark = pytest.mark.integration

RATE, SECONDS, MERCHANTS = 12, 5, 9
RUNS_AT_ONCE = 3
"""A run waits for half of its time."""
RUN_SECONDS_MAX = 110
SENT_AGAIN = {"notice 503"}
"""What a machine says that is busy with other tests; the truth counts what came of it."""
LAG_MS_MAX = 30_000
"""How late the generator was is the machine's affair; that nothing is untrue is ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that has ended: its exit status, what it printed, and where it reported."""

    status: int
    said: str
    reports: Path

    def report(self) -> dict[str, Any]:
        (kept,) = self.reports.glob("*.json")
        assert "<svg" in kept.with_suffix(".html").read_text("utf-8")
        found: dict[str, Any] = orjson.loads(kept.read_bytes())
        return found


def run(profile: str, reports: Path, *more: str, lag: float = LAG_MS_MAX) -> Run:
    command = (sys.executable, "-m", "loadtests.harness", profile, "--rate", str(RATE))
    size = ("--seconds", str(SECONDS), "--merchants", str(MERCHANTS), "--lag", str(lag))
    ended = subprocess.run(
        [*command, *size, "--reports", str(reports), *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    return Run(status=ended.returncode, said=ended.stdout + ended.stderr, reports=reports)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Run]]]:
    """A short run of each profile."""
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        yield {name: pool.submit(run, name, tmp_path_factory.mktemp(name)) for name in named()}


@pytest.mark.parametrize("profile", named())
def test_a_short_run_of_each_profile_ends_with_the_truth(
    profile: str, runs: Mapping[str, Future[Run]]
) -> None:
    ended = runs[profile].result()

    assert ended.status == 0, ended.said
    found = ended.report()
    figures = found["figures"]
    assert "TRUE" in ended.said
    assert found["faults"] == []
    assert set(figures["errors"]) <= SENT_AGAIN
    assert figures["answers_ms"].keys() == {"notice", "invoice", "wait", "read"}, "all took part"
    assert figures["notices_accepted"] == figures["notices_sent"] > RATE
    assert figures["latency_ms"]["p50"] > 0
    matched, notified = (figures["stages_ms"][stage]["p50"] for stage in ("matched", "notified"))
    # Those of repeated notices are not all of one set, so their medians need not rise.
    assert 0 < min(matched, notified) <= max(matched, notified) <= figures["latency_ms"]["max"]
    assert figures["disk_mb"]["log"]["most"] > 0
    assert set(figures["cpu_ms_per_notice"]) >= {"api", "worker", "generator", "receiver"}
    assert set(found["series"]["backlog"]) >= {"settling", "notifying"}
    assert (figures["to_dead_merchants"] > 0) is (profile == "dead_merchants")


def test_a_generator_that_was_the_bottleneck_is_no_result(tmp_path: Path) -> None:
    ended = run("steady", tmp_path, "--workers", "2", lag=0)

    (fault,) = ended.report()["faults"]
    assert ended.status == 1, ended.said
    assert "the generator was the bottleneck" in fault
