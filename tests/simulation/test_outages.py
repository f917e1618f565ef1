"""An endpoint that is down for an hour: how often it is tried, and how it comes back."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import pytest

from agents.lane import Limits
from streams.domain.ids import EndpointId
from tests.simulation.crowd import Crowd, p99
from tests.simulation.network import TIMEOUT_SECONDS, Mood, Outage, Request, Temper
from tests.simulation.runs import SEEDS
from tests.simulation.virtual_time import lived_through, passes

ENDPOINT = EndpointId("ep_down")
BEGIN, END = 60.0, 3_660.0
LATENCY_SECONDS = 0.05
BACKLOG = 1_500
A_MINUTE = 60.0
QUICK_TRIES = 10 + 6
"""Failures until nothing more is sent, and pauses of 1, 2, 4, 8, 16, 32 seconds."""
LEARNING_SECONDS = A_MINUTE + TIMEOUT_SECONDS


@dataclass(frozen=True)
class Down:
    """What happened to an endpoint that was down; it refuses what is beyond its capacity."""

    crowd: Crowd
    capacity: int

    @property
    def tried(self) -> list[Request]:
        """The requests while it was down."""
        requests = self.crowd.requests_of(ENDPOINT)
        return [one for one in requests if BEGIN <= one.begun < END]

    @property
    def after(self) -> list[Request]:
        """The requests when it was back."""
        return [one for one in self.crowd.requests_of(ENDPOINT) if one.begun >= END]

    @property
    def accepted(self) -> list[Request]:
        return [one for one in self.after if one.is_accepted]


async def an_hour_down(mood: Mood, capacity: int, seed: int) -> Down:
    """It was well before, and a backlog of many times its capacity waits when it comes back."""
    temper = Temper(
        latency_seconds=LATENCY_SECONDS,
        capacity=capacity,
        outages=(Outage(begin=BEGIN, end=END, mood=mood),),
        retry_after_seconds=(None,),
    )
    crowd = Crowd(f"down/{seed}", {ENDPOINT: temper})
    crowd.tell(ENDPOINT, per_second=1, begin=1, end=BEGIN)
    await passes(BEGIN + 10)
    crowd.leave_pending(ENDPOINT, BACKLOG)
    crowd.tell(ENDPOINT, per_second=0.05, begin=BEGIN + 10, end=END)
    crowd.tell(ENDPOINT, per_second=2, begin=END, end=END + 200)
    await passes(END + 600)
    return Down(crowd, capacity)


WAYS = list(product([Mood.RESET, Mood.HANG, Mood.UNAVAILABLE], [1, 5, 20], range(-(-SEEDS // 15))))


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: "-".join(map(str, way)))
def down(request: pytest.FixtureRequest) -> Down:
    """One outage, which all tests look at."""
    return lived_through(lambda: an_hour_down(*request.param))


def test_an_endpoint_that_is_down_is_tried_once_a_minute_after_a_few_times(down: Down) -> None:
    under_way_at_its_begin = Limits().lane_in_flight_max
    most = QUICK_TRIES + under_way_at_its_begin + (END - BEGIN) / A_MINUTE

    assert len(down.tried) <= most
    for before, after in pairwise(down.tried[-30:]):
        assert after.begun - before.begun >= A_MINUTE


def test_its_first_delivery_comes_within_a_minute_and_one_attempt_of_its_return(
    down: Down,
) -> None:
    # The attempt that is under way when it comes back may hang to its end.
    assert down.accepted[0].begun <= END + A_MINUTE + TIMEOUT_SECONDS + LATENCY_SECONDS


def test_it_never_has_more_than_its_capacity_and_one_under_way(down: Down) -> None:
    """Growth by one for each round of answers asks for one too many, and a refusal halves it.

    The failures have left one at a time, and no faster growth than that.
    """
    assert max(one.beside for one in down.after) <= down.capacity + 1


def test_the_backlog_is_drained_at_the_pace_that_it_takes(down: Down) -> None:
    old = sorted(one.begun for one in down.accepted if one.webhook_id.startswith("old"))

    most_of_it = old[int(BACKLOG * 0.9)] - END
    assert most_of_it <= LEARNING_SECONDS + 4 * BACKLOG * LATENCY_SECONDS / down.capacity


def test_news_passes_the_backlog(down: Down) -> None:
    waits = down.crowd.waits_seconds(ENDPOINT, told_from=END + LEARNING_SECONDS)

    assert len(waits) > 100
    assert p99(waits) < 1.0
