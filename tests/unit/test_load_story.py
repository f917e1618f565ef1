"""What a story of a load says of pauses and of intake."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from loadtests.arrivals import Webhook
from loadtests.generator import Offered
from loadtests.load import Load
from loadtests.processes import Watch
from loadtests.story import Story


def a_story(
    *, accepted_at: Sequence[float], fault_at: float, over_at: float = 0, refused: int = 0
) -> Story:
    """A load of one notice a second from 0 on; the last `refused` are refused at 4."""
    count = len(accepted_at) + refused
    answered = [*accepted_at, *[4.0] * refused]
    offered = Offered(
        rate=1,
        intended_ns=[place * 1_000_000_000 for place in range(count)],
        sent_ns=[0] * count,
        answered_ns=[int(at * 1e9) for at in answered],
        statuses=[202] * len(accepted_at) + [503] * refused,
        bodies=[b""] * count,
    )
    load = Load(
        offered=offered,
        references=[],
        merchants=[],
        arrivals={},
        wall_offset_ns=0,
        drained_seconds=0,
        watch=Watch({}),
        around=frozenset(),
    )
    return Story(
        name="any", load=load, wrong=[], fault_ns=int(fault_at * 1e9), over_ns=int(over_at * 1e9)
    )


def a_webhook(at_seconds: int) -> Webhook:
    return Webhook(
        path="/ok/a", at_ns=at_seconds * 10**9, webhook_id="evt_1", type="any", reference="R-1"
    )


def test_a_pause_counts_from_the_fault_and_on_either_side() -> None:
    story = a_story(accepted_at=[0, 1, 2, 6, 7, 20], fault_at=3)

    assert story.longest_pause_within(4.5) == 4.5, "no webhook came at all"
    for at in (4, 5, 6):
        story.load.arrivals[str(at)] = a_webhook(at)
    assert story.longest_pause_within(3) == 3, "nothing was accepted between 3 and 6"
    assert story.longest_pause_within(14) == 11, "no webhook came between 6 and 17"


def test_a_fault_is_within_the_load_while_notices_are_still_to_be_sent() -> None:
    assert a_story(accepted_at=[0, 1, 2, 3], fault_at=1, over_at=2.9).is_within_load
    assert not a_story(accepted_at=[0, 1, 2, 3], fault_at=1, over_at=3).is_within_load


def test_the_longest_pause_of_intake_counts_what_was_accepted() -> None:
    story = a_story(accepted_at=[0, 1, 2, 5.5, 6], fault_at=2, refused=2)

    assert story.longest_intake_pause_seconds == 3.5


def test_the_rate_of_acceptances_ends_with_the_schedule() -> None:
    story = a_story(accepted_at=[0, 1, 2, 3, 9, 5, 6, 60], fault_at=2)

    assert story.accepted_per_second(1) == pytest.approx(3 / 4)  # at 3, 5 and 6 of seconds 3 to 7
    with pytest.raises(AssertionError, match="over before"):
        story.accepted_per_second(6)
