"""Judges what must not grow in a long run: the memory of the product, and the file of its log.

A short run judges neither, because nothing follows from it: memory is still warming up, and no
record is old enough to be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtests.driving import Course
from loadtests.processes import SAMPLE_SECONDS, Watch
from loadtests.profiles.reading import Profile
from loadtests.report import line_slope
from streams.topics import DAY_SECONDS

WARM_UP = 1 / 3
"""The part of a run in which memory may grow."""
SHOWN_SECONDS_MIN = 300
"""In less time after the warm-up a slope says nothing of an hour, and none is shown."""
JUDGED_SECONDS_MIN = 1_200
"""In less time it is shown and not judged: 2 % an hour of 150 MB are 1 MB in 20 minutes, and less
than that one growing heap makes in a step. So a run that is judged takes half an hour."""
RETENTIONS_MIN = 4
"""The log is judged in runs of so many times what it keeps records for."""
FORGETFUL_SHARE_MAX = 0.25
"""A tenth of what a notice writes is what the steps know of it, and stays; the rest must go."""
RETENTION = "KESHIKOMI_LOG_RETENTION_DAYS"
SECOND_NS = 1_000_000_000

Points = Sequence[tuple[int, float]]
"""Nanoseconds, and MB."""


def slope(watch: Watch, name: str) -> float | None:
    """How fast memory grew after the warm-up, in % an hour: a straight line through its samples."""
    late = _late(watch, name)
    if _span(late) < SHOWN_SECONDS_MIN:
        return None
    mean = sum(memory_mb for _, memory_mb in late) / len(late)
    return round(line_slope(late) * 3_600 / mean * 100, 1)


def _late(watch: Watch, name: str) -> list[tuple[float, float]]:
    begin = watch.seconds * WARM_UP
    return [point for point in watch.memory_of(name) if point[0] >= begin]


def _span(points: Sequence[tuple[float, float]]) -> float:
    """Seconds from the first to the last: a busy machine takes fewer samples in them."""
    return points[-1][0] - points[0][0] + SAMPLE_SECONDS if points else 0.0


def faults_of_soak(profile: Profile, course: Course) -> Iterator[str]:
    """What grew that must not, as far as the run was long enough to tell."""
    if profile.memory_percent_per_hour_max is not None:
        yield from _faults_of_memory(course, profile.memory_percent_per_hour_max)
    retention_days = profile.settings.get(RETENTION)
    if retention_days is not None:
        yield from faults_of_log(course.disk.of("log"), float(retention_days) * DAY_SECONDS)


def _faults_of_memory(course: Course, most: float) -> Iterator[str]:
    for name in course.watch.memory_mb:
        grows = slope(course.watch, name)
        is_judged = _span(_late(course.watch, name)) >= JUDGED_SECONDS_MIN
        if name not in course.around and is_judged and grows is not None and grows > most:
            yield f"the memory of {name} grew by {grows:g} % an hour, {most:g} are allowed"


def faults_of_log(points: Points, retention_seconds: float) -> Iterator[str]:
    """Whether the log grew at the end as if it forgot nothing."""
    if not points or _seconds(points) < RETENTIONS_MIN * retention_seconds:
        return
    begin_ns = points[0][0]
    first = [each for each in points if each[0] <= begin_ns + retention_seconds * SECOND_NS]
    last = points[-max(len(points) // 3, 2) :]
    before, after = _growth(first), _growth(last)
    if after > before * FORGETFUL_SHARE_MAX:
        yield (
            f"the log grew by {after:.2f} MB a second at the end and {before:.2f} at the begin, "
            f"though it keeps records for {retention_seconds:g} s"
        )


def _growth(points: Points) -> float:
    return (points[-1][1] - points[0][1]) / max(_seconds(points), 1)


def _seconds(points: Points) -> float:
    return (points[-1][0] - points[0][0]) / SECOND_NS
