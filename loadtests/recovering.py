"""How long after a peak or an outage new notices are told as fast again as before it.

As fast means: of those that were meant to leave in one second, half are told within the p95 of all
that were meant to leave before. It is over with the last second in which that was not so.
"""

from __future__ import annotations

from collections.abc import Iterable

from loadtests.journeys import STAGES, Journey
from loadtests.profiles.reading import Profile
from loadtests.report import Measured, percentile

SECOND_NS = 1_000_000_000


def recovery(
    journeys: Iterable[Journey], profile: Profile, *, begin_ns: int, seconds: float
) -> Measured:
    """What came of the profile's peak or outage; nothing when it has none.

    `recovered_after_seconds` is None where the latency was not back when the run ended.
    """
    if profile.strain is None:
        return {}
    from_ns, until_ns = (begin_ns + int(share * seconds * SECOND_NS) for share in profile.strain)
    before: list[float] = []
    after: dict[int, list[float]] = {}
    for journey in journeys:
        if not journey.is_living or (ms := journey.ms(STAGES[-1])) is None:
            continue
        if journey.intended_ns < from_ns:
            before.append(ms)
        elif journey.intended_ns >= until_ns:
            after.setdefault((journey.intended_ns - until_ns) // SECOND_NS, []).append(ms)
    level = percentile(before, 0.95)
    slow = [second for second, told_ms in after.items() if not percentile(told_ms, 0.5) <= level]
    recovered = max(slow, default=-1) + 1
    return {
        "ended_at_second": round((until_ns - begin_ns) / SECOND_NS, 2),
        "level_before_ms": round(level, 2),
        "recovered_after_seconds": recovered if recovered <= max(after, default=-1) else None,
    }


def recovery_lines(found: Measured) -> list[str]:
    """The same for people, where there is anything to tell."""
    if not found:
        return []
    seconds = found["recovered_after_seconds"]
    return [
        f"peak or outage over at second {found['ended_at_second']:g}; half of the new notices are "
        f"told within {found['level_before_ms']:g} ms (p95 before it) again: "
        + ("not within the run" if seconds is None else f"{seconds} s after that")
    ]
