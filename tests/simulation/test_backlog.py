"""Twenty thousand deliveries wait for one endpoint: memory holds its windows and no more."""

from __future__ import annotations

import pytest

from agents.lane import Limits, Window
from streams.domain.ids import EndpointId
from tests.simulation.crowd import Crowd
from tests.simulation.network import Mood, Temper
from tests.simulation.virtual_time import lived_through, passes

ENDPOINT = EndpointId("ep_late")
ROWS = 20_000
SECONDS = 3.0
TEMPERS = {
    "quick": Temper(),
    "of small capacity": Temper(capacity=5, retry_after_seconds=(None,)),
    "often wrong": Temper(moods={Mood.WELL: 0.6, Mood.WRONG: 0.4}),
    "hangs": Temper(moods={Mood.HANG: 1.0}),
}


async def with_a_backlog(temper: Temper) -> Crowd:
    crowd = Crowd("backlog", {ENDPOINT: temper}, retry_seconds=(1,) * 12)
    crowd.leave_pending(ENDPOINT, ROWS)
    crowd.tell(ENDPOINT, per_second=300, begin=0.1, end=SECONDS)
    await passes(SECONDS)
    return crowd


@pytest.mark.parametrize("name", TEMPERS)
def test_memory_holds_the_windows_and_no_more(name: str) -> None:
    crowd = lived_through(lambda: with_a_backlog(TEMPERS[name]))

    held_max = len(Window) * Limits().lane_held_max
    begun = [one.in_memory for one in crowd.world.begun]
    assert 0 < max(begun) <= held_max
    assert crowd.world.entries_max <= held_max
    assert len(crowd.world.rows_pending()) + len(crowd.requests_of(ENDPOINT)) >= ROWS
