"""A long run fails where memory or the log grows; a short one judges neither."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from loadtests.disk import Disk, sizes_mb
from loadtests.driving import Backlog, Course
from loadtests.measuring import figures
from loadtests.processes import Usage, Watch, faults_of_parts
from loadtests.profiles.reading import read_profile
from loadtests.schedule import Schedule
from loadtests.soaking import faults_of_log, faults_of_soak, slope

SOAK = read_profile("soak")
SECOND = 1_000_000_000


def a_watch(memory_mb: Mapping[str, list[float]], *, apart: float = 1) -> Watch:
    """Samples so many seconds from each other."""
    watch = Watch({})
    watch.memory_mb = dict(memory_mb)
    for place in range(max(map(len, memory_mb.values()), default=0)):
        seen = {
            name: Usage(cpu_seconds=0, memory_mb=values[place])
            for name, values in memory_mb.items()
            if place < len(values)
        }
        watch.looks.append((int(place * apart * SECOND), seen))
    return watch


def a_course(
    memory_mb: dict[str, list[float]], log_mb: list[float] | None = None, *, apart: float = 1
) -> Course:
    """Memory has a sample each second, the log one each ten seconds."""
    looks: list[tuple[int, Mapping[str, float]]] = [
        (place * 10 * SECOND, {"log": size}) for place, size in enumerate(log_mb or [])
    ]
    return Course(
        begin_ns=0,
        results=[],
        watch=a_watch(memory_mb, apart=apart),
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


def test_memory_that_grows_is_told_by_the_hour_once_there_was_time() -> None:
    growing_mb = [100 + at / 600 for at in range(600)]
    course = a_course({"flat": [100.0] * 600, "growing": growing_mb})

    memory = figures([], course, Schedule(payments=[], notices=[]))["memory_mb"]

    slopes = {name: each["percent_per_hour_after_warm_up"] for name, each in memory.items()}
    assert slopes == {"flat": 0, "growing": pytest.approx(6, abs=0.1)}


def test_a_profile_that_says_nothing_of_memory_judges_none() -> None:
    course = a_course({"worker": growing(30, 1_800)})

    assert list(faults_of_soak(read_profile("steady"), course)) == []


def test_a_short_run_shows_a_slope_and_judges_none() -> None:
    course = a_course({"worker": growing(30, 1_700)})

    assert slope(course.watch, "worker") == pytest.approx(27, abs=3)
    assert slope(a_watch({"worker": growing(30, 400)}), "worker") is None
    assert list(faults_of_soak(SOAK, course)) == []


def test_a_busy_machine_that_takes_fewer_samples_is_judged_by_the_time() -> None:
    course = a_course({"worker": growing(9, 1_830)[::3]}, apart=3)

    (fault,) = faults_of_soak(SOAK, course)

    assert fault.startswith("the memory of worker grew by 8.7 %")


def test_a_process_that_ended_is_named_whether_it_came_back_or_not() -> None:
    before = {"api": 10, "worker": 11, "archiver": 12, "process 13": 13}
    now = {"api": 10, "worker": 21, "process 14": 14}

    assert list(faults_of_parts(before, before | {"worker 2": 22})) == []
    assert list(faults_of_parts(before, now)) == [
        "worker ended (process 11) and runs again as 21: what it used is not in the figures",
        "archiver ended (process 12) and is gone: what it used is not in the figures",
    ]


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
