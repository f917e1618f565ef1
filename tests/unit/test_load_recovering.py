"""After a peak or an outage it is told how long new notices took to be as fast as before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from loadtests.journeys import STAGES, Journey
from loadtests.profiles.reading import Profile, read_profile
from loadtests.recovering import recovery, recovery_lines

SECOND = 1_000_000_000
SECONDS = 100
OUTAGE = replace(read_profile("steady"), outage=(0.3, 0.5))


def journeys(ms_at: Callable[[int], float]) -> list[Journey]:
    """Ten notices a second; the second in which they leave says how late they are told."""
    found = []
    for tenth in range(SECONDS * 10):
        intended_ns = SECOND + tenth * SECOND // 10
        told_ns = intended_ns + int(ms_at(tenth // 10) * 1e6)
        stages = (*[None] * (len(STAGES) - 1), told_ns)
        found.append(Journey(path="/ok/0", is_living=True, intended_ns=intended_ns, stages=stages))
    return found


def after(ms_at: Callable[[int], float], profile: Profile = OUTAGE) -> int | None:
    found = recovery(journeys(ms_at), profile, begin_ns=SECOND, seconds=SECONDS)
    assert found["ended_at_second"] == 50
    assert found["level_before_ms"] == 5
    seconds: int | None = found["recovered_after_seconds"]
    return seconds


def test_it_counts_to_the_last_second_in_which_new_notices_were_slower_than_before() -> None:
    assert after(lambda second: 20_000 if 30 <= second < 50 else 5) == 0
    assert after(lambda second: 500 if 30 <= second < 57 else 5) == 7
    assert after(lambda second: 500 if 30 <= second < 57 or second == 60 else 5) == 11


def test_a_run_that_ends_before_says_that_it_did() -> None:
    assert after(lambda second: 500 if second >= 30 else 5) is None
    (line,) = recovery_lines(
        recovery(journeys(lambda second: 5 + second), OUTAGE, begin_ns=SECOND, seconds=SECONDS)
    )
    assert line.endswith("not within the run")


def test_where_everything_was_even_there_is_nothing_to_recover_from() -> None:
    even = recovery([], read_profile("steady"), begin_ns=0, seconds=SECONDS)

    assert even == {}
    assert recovery_lines(even) == []


@pytest.mark.parametrize(
    ("profile", "strain"),
    [("month_end", (0.2, 0.7)), ("outage_and_drain", read_profile("outage_and_drain").outage)],
)
def test_a_peak_is_over_when_the_rate_begins_to_fall(
    profile: str, strain: tuple[float, float]
) -> None:
    assert read_profile(profile).strain == strain
