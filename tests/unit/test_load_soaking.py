"""A long run fails where memory or the log grows; a short one judges neither."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from loadtests.disk import Disk, sizes_mb
from loadtests.driving import Backlog, Course
from loadtests.processes import Watch
from loadtests.profiles.reading import read_profile
from loadtests.soaking import faults_of_log, faults_of_soak, slope

SOAK = read_profile("soak")
SECOND = 1_000_000_000


def a_course(memory_mb: dict[str, list[float]], log_mb: list[float] | None = None) -> Course:
    """Memory has a sample each second, the log one each ten seconds."""
    watch = Watch({})
    watch.memory_mb = memory_mb
    looks: list[tuple[int, Mapping[str, float]]] = [
        (place * 10 * SECOND, {"log": size}) for place, size in enumerate(log_mb or [])
    ]
    return Course(
        begin_ns=0,
        results=[],
        watch=watch,
        backlog=Backlog(port=1),
        disk=Disk(folders=[], looks=looks),
        around=frozenset({"receiver"}),
        wall_offset_ns=0,
    )


def growing(percent_per_hour: float, seconds: int) -> list[float]:
    return [200 * (1 + percent_per_hour / 100 * at / 3_600) for at in range(seconds)]


def test_memory_that_grows_fails_a_run_of_half_an_hour() -> None:
    course = a_course({"worker": growing(3, 1_800), "api": growing(1.5, 1_800)})

    (fault,) = faults_of_soak(SOAK, course)

    assert fault == "the memory of worker grew by 3 % an hour, 2 are allowed"


def test_a_profile_that_says_nothing_of_memory_judges_none() -> None:
    course = a_course({"worker": growing(30, 1_800)})

    assert list(faults_of_soak(read_profile("steady"), course)) == []


def test_a_short_run_shows_a_slope_and_judges_none() -> None:
    course = a_course({"worker": growing(30, 1_700)})

    assert slope(growing(30, 1_700)) == pytest.approx(27, abs=3)
    assert slope(growing(30, 400)) is None
    assert list(faults_of_soak(SOAK, course)) == []


def test_what_grows_in_the_warm_up_or_beside_the_product_is_no_fault() -> None:
    warming = [100 + at for at in range(600)] + [700.0] * 1_200
    course = a_course({"worker": warming, "receiver": growing(30, 1_800)})

    assert list(faults_of_soak(SOAK, course)) == []


def a_log(retention: int, seconds: int, *, kept_share: float) -> list[float]:
    """MB each ten seconds: one a second at first, and a share of that after the retention."""
    return [
        min(at, retention) + max(at - retention, 0) * kept_share for at in range(0, seconds, 10)
    ]


@pytest.mark.parametrize(("kept_share", "faults"), [(0.1, 0), (0.24, 0), (0.3, 1), (1.0, 1)])
def test_a_log_that_does_not_forget_fails_a_long_run(kept_share: float, faults: int) -> None:
    course = a_course({}, a_log(432, 1_800, kept_share=kept_share))

    assert len(list(faults_of_soak(SOAK, course))) == faults


def test_a_log_is_not_judged_before_it_could_forget() -> None:
    points = [(at * SECOND, float(at)) for at in range(0, 1_700, 10)]

    assert list(faults_of_log(points, 432)) == []
    assert list(faults_of_log([], 432)) == []


def test_files_are_added_up_by_what_they_belong_to(tmp_path: Path) -> None:
    for name in ("log.db", "log.db-wal", "tables/a/rows"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * 100_000)

    found = sizes_mb([tmp_path, tmp_path / "none"])

    assert set(found) == {"log", "tables"}
    assert found["log"] == pytest.approx(2 * found["tables"])
    assert found["tables"] >= 0.1
