"""The figures of one run of a profile, and the same by the second, as values for programs."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from loadtests.crediting import lags
from loadtests.disk import MEGABYTE, Disk
from loadtests.driving import Course
from loadtests.journeys import STAGES, Journey
from loadtests.report import Measured, percentile, spread, worst_second_ms
from loadtests.results import Result
from loadtests.schedule import Schedule
from loadtests.soaking import slope

SECOND_NS = 1_000_000_000
SHOWN_MB = 0.2
SHARES = (0.5, 0.95, 0.99)


def figures(journeys: Sequence[Journey], course: Course, schedule: Schedule) -> Measured:
    """The figures of the whole run; each payment in a file is a notice, and so is a repeat."""
    notices = [each for each in course.results if each.what == "notice"]
    living, late = [each for each in journeys if each.is_living], lags(course.results)
    seconds = _seconds(notices)
    sizes = {notice.place: len(notice.payments) for notice in schedule.notices}
    sent = sum(sizes[each.number] for each in notices)
    accepted = sum(sizes[each.number] for each in notices if each.is_good)
    return {
        "seconds": round(seconds, 2),
        "notices_sent": sent,
        "notices_accepted": accepted,
        "offered_per_second": round(
            sum(sizes[each.number] for each in notices if each.tries == 1) / seconds, 2
        ),
        "requests_per_second": round(sum(each.tries == 1 for each in notices) / seconds, 2),
        "achieved_per_second": round(accepted / _seconds(notices, answered=True), 2),
        "latency_ms": spread(_known(living, "received")),
        "stages_ms": {stage: spread(_known(living, stage)) for stage in STAGES},
        "stages_known": {stage: len(_known(living, stage)) for stage in STAGES},
        "webhooks": len(_known(living, "received")),
        "to_dead_merchants": len(journeys) - len(living),
        "answers_ms": {
            what: spread([(each.answered_ns - each.intended_ns) / 1e6 for each in results])
            for what, results in _by_kind(course.results).items()
        },
        "errors": errors(course.results),
        "generator_lag_ms": spread([ms for _, ms in late]),
        "generator_lag_ms_worst_second": worst_second_ms(late),
        "backlog_most": _backlog_most(course),
        "drained_after_seconds": _drained(living, notices),
        **_processes(course, accepted),
    }


def _known(journeys: Iterable[Journey], stage: str) -> list[float]:
    return [ms for journey in journeys if (ms := journey.ms(stage)) is not None]


def _seconds(results: Sequence[Result], *, answered: bool = False) -> float:
    """How long it took from the first intended time to the last intended one, or last answer."""
    if not results:
        return math.nan
    first = min(each.intended_ns for each in results)
    last = max(each.answered_ns if answered else each.intended_ns for each in results)
    return max(last - first, 1) / SECOND_NS


def _by_kind(results: Iterable[Result]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for each in results:
        found.setdefault(each.what, []).append(each)
    return found


def errors(results: Iterable[Result]) -> Measured:
    """What was answered otherwise than by success, by kind of request and status."""
    bad = Counter(f"{each.what} {each.status or 'broken'}" for each in results if not each.is_good)
    return dict(sorted(bad.items()))


def _drained(living: Iterable[Journey], notices: Iterable[Result]) -> float:
    """How long after the last notice was answered the last webhook came."""
    answered = max((each.answered_ns for each in notices), default=0)
    told = max(_received(living), default=answered)
    return round(max(told - answered, 0) / SECOND_NS, 2)


def _backlog_most(course: Course) -> Measured:
    most: dict[str, int] = {}
    for _, stages in course.backlog.looks:
        for stage, records in stages.items():
            most[stage] = max(most.get(stage, 0), records)
    return most


def _processes(course: Course, accepted: int) -> Measured:
    cpu = {
        name: round(seconds / max(accepted, 1) * 1_000, 3)
        for name, seconds in course.watch.cpu_seconds.items()
    }
    ours = sum(ms for name, ms in cpu.items() if name not in course.around)
    return {
        "cpu_ms_per_notice": cpu | {"product": round(ours, 3)},
        "memory_mb": {
            name: {
                "begin": values[0],
                "end": values[-1],
                "most": max(values),
                "percent_per_hour_after_warm_up": slope(course.watch, name),
            }
            for name, values in course.watch.memory_mb.items()
        },
        "disk_mb": {part: _grown(course.disk.of(part), accepted) for part in _parts(course.disk)},
    }


def _parts(disk: Disk) -> list[str]:
    """The parts that are worth a line: keys and locks are not."""
    return sorted({part for _, seen in disk.looks for part, mb in seen.items() if mb > SHOWN_MB})


def _grown(points: Sequence[tuple[int, float]], accepted: int) -> Measured:
    sizes = [size for _, size in points]
    grown = sizes[-1] - sizes[0]
    return {
        "begin": round(sizes[0], 1),
        "end": round(sizes[-1], 1),
        "most": round(max(sizes), 1),
        "bytes_for_each_notice": round(grown * MEGABYTE / max(accepted, 1)),
    }


# --- by the second


def series(journeys: Sequence[Journey], course: Course) -> Measured:
    """What the plots show: seconds from the begin of the schedule, and a value for each.

    Rates are of requests and of webhooks: a file is one request.
    """
    notices = [each for each in course.results if each.what == "notice"]
    living = [journey for journey in journeys if journey.is_living]
    second = _seconds_from(course.begin_ns)
    return {
        "rate": {
            "offered": _counted(second(each.intended_ns) for each in notices),
            "accepted": _counted(second(each.answered_ns) for each in notices if each.is_good),
            "told": _counted(map(second, _received(living))),
        },
        "latency_ms": _percentiles(living, "received", second),
        "stages_p50_ms": {stage: _percentiles(living, stage, second)["p50"] for stage in STAGES},
        "backlog": _looks(course.backlog.looks, course.begin_ns),
        "cpu_percent": _cpu(course),
        "disk_mb": _looks(course.disk.looks, course.begin_ns),
        "memory_mb": _looks(
            [
                (at, {name: usage.memory_mb for name, usage in seen.items()})
                for at, seen in course.watch.looks
            ],
            course.begin_ns,
        ),
    }


def _seconds_from(begin_ns: int) -> Callable[[int], int]:
    return lambda at_ns: (at_ns - begin_ns) // SECOND_NS


def _received(journeys: Iterable[Journey]) -> list[int]:
    return [at_ns for journey in journeys if (at_ns := journey.received_ns) is not None]


def _counted(seconds: Iterable[int]) -> list[tuple[float, float]]:
    counts = Counter(seconds)
    if not counts:
        return []
    return [(at, counts[at]) for at in range(min(counts), max(counts) + 1)]


def _percentiles(
    journeys: Iterable[Journey], stage: str, second: Callable[[int], int]
) -> dict[str, list[tuple[float, float]]]:
    """By the second in which a notice was meant to leave."""
    by_second: dict[int, list[float]] = {}
    for journey in journeys:
        if (ms := journey.ms(stage)) is not None:
            by_second.setdefault(second(journey.intended_ns), []).append(ms)
    return {
        f"p{share * 100:g}": [
            (at, round(percentile(values, share), 2)) for at, values in sorted(by_second.items())
        ]
        for share in SHARES
    }


def _looks(
    looks: Iterable[tuple[int, Mapping[str, float]]], begin_ns: int
) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for at_ns, seen in looks:
        at = round((at_ns - begin_ns) / SECOND_NS, 2)
        for name, value in seen.items():
            found.setdefault(name, []).append((at, round(value, 2)))
    return found


def _cpu(course: Course) -> dict[str, list[tuple[float, float]]]:
    """The share of one core that each process used between two looks."""
    shares: list[tuple[int, dict[str, float]]] = []
    looks = course.watch.looks
    for (before_ns, before), (at_ns, now) in itertools.pairwise(looks):
        took = (at_ns - before_ns) / SECOND_NS
        used = {
            name: (usage.cpu_seconds - before[name].cpu_seconds) / took * 100
            for name, usage in now.items()
            if name in before and took
        }
        shares.append((at_ns, used))
    return _looks(shares, course.begin_ns)
