"""Whatever crashes, whenever: what nobody acknowledges is told a few times, and stays delivered."""

from __future__ import annotations

from collections import defaultdict

import pytest

from connectors.history.standing import standing_after, standing_at_start
from streams.domain.acknowledging import ACK_TELLINGS_MAX
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import DeliveryId, delivery_id
from streams.happenings import AcknowledgementTaken, DeliveriesStarted, DeliveryAttempted
from tests.simulation.runs import RUNS, lived
from tests.simulation.story import MERCHANTS, Story, endpoint_id
from tests.step_builders import said

LASTING = {endpoint_id(merchant, "main") for merchant in MERCHANTS}


def rounds(story: Story) -> dict[DeliveryId, set[int]]:
    """In which rounds each delivery to a lasting endpoint was answered 2xx."""
    found: dict[DeliveryId, set[int]] = defaultdict(set)
    for one in said(story.world.log.all("history"), DeliveryAttempted):
        if one.endpoint_id in LASTING and one.attempt and one.attempt.status_code == 200:
            found[one.delivery_id].add(one.round)
    return found


def acknowledged(story: Story) -> set[DeliveryId]:
    by_answer = {
        one.delivery_id
        for one in said(story.world.log.all("history"), DeliveryAttempted)
        if one.attempt is not None and one.attempt.released_at is not None
    }
    by_call = {
        delivery_id(one.event_id, endpoint)
        for one in said(story.world.log.all("history"), AcknowledgementTaken)
        for endpoint in LASTING
        if one.endpoint_id in {None, endpoint}
    }
    return by_answer | by_call


def pending(story: Story) -> set[DeliveryId]:
    return {row.delivery_id for row in story.world.rows_pending()}


@pytest.mark.parametrize("run", RUNS)
def test_what_nobody_acknowledged_was_told_as_often_as_it_is_told(run: str) -> None:
    story = lived(run)

    for one in rounds(story).keys() - acknowledged(story) - pending(story):
        assert rounds(story)[one] == set(range(ACK_TELLINGS_MAX))


@pytest.mark.parametrize("run", RUNS)
def test_nothing_is_told_more_often_and_each_time_as_the_next_round(run: str) -> None:
    for found in rounds(lived(run)).values():
        assert found == set(range(len(found)))
        assert len(found) <= ACK_TELLINGS_MAX


@pytest.mark.parametrize("run", RUNS)
def test_what_was_delivered_once_is_delivered_in_history(run: str) -> None:
    story, stands = lived(run), dict[DeliveryId, tuple[int, DeliveryStatus]]()
    for started in said(story.world.log.all("history"), DeliveriesStarted):
        for one in started.deliveries:
            start = standing_at_start(one.round), DeliveryStatus.PENDING
            stands[one.delivery_id] = max(start, stands.get(one.delivery_id, start))
    for attempted in said(story.world.log.all("history"), DeliveryAttempted):
        after = standing_after(attempted), attempted.status
        stands[attempted.delivery_id] = max(after, stands.get(attempted.delivery_id, after))

    left = {stands[one][1] for one in rounds(story).keys() - pending(story)}
    assert left <= {DeliveryStatus.DELIVERED}


def test_acknowledgements_came_by_both_ways_and_ended_tellings() -> None:
    """Else the tests above show nothing."""
    all_rounds = [found for run in RUNS for found in rounds(lived(run)).values()]
    reasons = {
        one.reason
        for run in RUNS
        for one in said(lived(run).world.log.all("history"), DeliveryAttempted)
    }

    assert {len(found) for found in all_rounds} == set(range(1, ACK_TELLINGS_MAX + 1))
    assert "told" in reasons
