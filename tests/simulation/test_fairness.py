"""A hundred endpoints, of which some turn bad at one moment: the others notice nothing.

Limits and traffic are a tenth of those of a large installation: a thousand endpoints, 400
notifications in a second.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import product
from random import Random

import pytest

from agents.lane import Limits
from streams.domain.ids import EndpointId
from tests.simulation.crowd import Crowd, p99
from tests.simulation.network import Mood, Outage, Temper
from tests.simulation.runs import SEEDS
from tests.simulation.virtual_time import lived_through, passes

ALL = tuple(EndpointId(f"ep_{number}") for number in range(100))
TURN, END = 4.0, 24.0
TENTH = Limits(
    all_in_flight_max=192,
    in_flight_max=51,
    fresh_in_flight_max=13,
    slow_in_flight_max=13,
    sick_in_flight_max=13,
    held_max=2_000,
)
WAYS = [
    *product([Mood.HANG, Mood.SLOW], [1, 10, 50, 90]),
    *product([Mood.RESET, Mood.UNAVAILABLE, Mood.TOO_MANY, Mood.WRONG], [50]),
]
CASES = [(seed, *way) for seed in range(-(-SEEDS // 15)) for way in WAYS]


async def told_to_all(
    seed: int, bad: frozenset[EndpointId], mood: Mood, limits: Limits, bad_until: float
) -> Crowd:
    chance = Random(f"crowd {seed}")  # noqa: S311  # to be repeated
    outage = Outage(begin=TURN, end=bad_until, mood=mood)
    tempers = {
        one: Temper(
            latency_seconds=chance.uniform(0.05, 0.3),
            spread=0.2,  # so that nobody who is well ever takes as long as those who are slow
            outages=(outage,) if one in bad else (),
        )
        for one in ALL
    }
    crowd = Crowd(f"crowd/{seed}", tempers, limits=limits)
    for number, one in enumerate(ALL):
        # Some are told much more than others, so that deliveries wait for their own endpoint.
        crowd.tell(one, per_second=(0.2, 0.2, 0.2, 1.0)[number % 4], begin=0.1, end=END)
    await passes(END + 120)
    return crowd


@cache
def with_bad(seed: int, share: int, mood: Mood) -> tuple[Crowd, tuple[EndpointId, ...]]:
    """What came of it, and who was well all the time."""
    bad = frozenset(Random(f"bad {seed}").sample(ALL, share))  # noqa: S311  # to be repeated
    crowd = lived_through(partial(told_to_all, seed, bad, mood, TENTH, float("inf")))
    return crowd, tuple(one for one in ALL if one not in bad)


@pytest.mark.parametrize(("seed", "mood", "share"), CASES)
def test_those_that_are_well_wait_no_longer_whoever_turns_bad(
    seed: int, mood: Mood, share: int
) -> None:
    crowd, good = with_bad(seed, share, mood)
    peaceful, _ = with_bad(seed, 0, Mood.WELL)

    waits = crowd.waits_seconds(*good, told_from=TURN)
    before = peaceful.waits_seconds(*good, told_from=TURN)
    assert len(waits) == len(before)
    assert p99(waits) <= p99(before) * 1.1
    assert waits[-1] <= before[-1] + TENTH.slow_seconds


def test_endpoints_that_all_turn_bad_at_once_hold_no_more_than_the_process_bears() -> None:
    few = Limits(all_in_flight_max=60, in_flight_max=51, fresh_in_flight_max=13)

    crowd = lived_through(partial(told_to_all, 0, frozenset(ALL), Mood.HANG, few, 30.0))

    assert max(one.in_all for one in crowd.world.begun) == few.all_in_flight_max
    waits = crowd.waits_seconds(*ALL)
    assert len(waits) == len(with_bad(0, 0, Mood.WELL)[0].waits_seconds(*ALL))
