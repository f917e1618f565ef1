"""Whatever endpoints, clocks and crashes do: the laws of the delivery engine, one test for each.

Each scenario is lived once, in virtual time, and looked at by all of these tests.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise

import orjson
import pytest

from agents.lane import Window
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId
from streams.happenings import DeliveriesStarted, DeliveryAttempted
from tests.simulation.deliveries_story import SMALL, DeliveriesStory, told
from tests.simulation.network import Request
from tests.simulation.runs import SEEDS
from tests.simulation.virtual_time import Life, lived_through
from tests.step_builders import said

STORIES_PER_SEED = 5
STORIES = [
    f"{durability}/{seed}"
    for durability in ("exactly-once", "at-least-once")
    for seed in range(SEEDS * STORIES_PER_SEED)
]
INSTANT_SECONDS = 0.001
"""Times in the log have no finer parts, and sums of seconds have errors."""
OK = 200
ENDED = {DeliveryStatus.FAILED, DeliveryStatus.SUPERSEDED}


@pytest.fixture(scope="module", params=STORIES)
def story(request: pytest.FixtureRequest) -> DeliveriesStory:
    """All tests look at one story before the next one is lived."""
    return lived_through(lambda: told(request.param))


def by_delivery(story: DeliveriesStory) -> dict[DeliveryId, list[Request]]:
    """The requests of each delivery, in the order in which they began."""
    found: dict[DeliveryId, list[Request]] = defaultdict(list)
    for request in story.world.network.requests:
        found[request.delivery_id].append(request)
    return found


def attempted(story: DeliveriesStory) -> list[DeliveryAttempted]:
    return said(story.world.log.all("history"), DeliveryAttempted)


def ended_otherwise(story: DeliveriesStory) -> set[DeliveryId]:
    """What history says was given up, or skipped for something newer."""
    return {one.delivery_id for one in attempted(story) if one.status in ENDED}


def test_no_process_stopped_because_of_a_fault(story: DeliveriesStory) -> None:
    assert story.world.stops == []


def test_nothing_that_an_endpoint_wants_is_lost(story: DeliveriesStory) -> None:
    accepted = {one.delivery_id for one in story.world.network.requests if one.is_accepted}
    pending = {row.delivery_id for row in story.world.rows_pending()}

    wanted = {one.delivery_id for one in story.wanted}
    assert wanted - accepted - pending - ended_otherwise(story) == set()


def test_nothing_is_left_undone_when_all_are_well_again(story: DeliveriesStory) -> None:
    """A retry that was lost, or a lane that sleeps for ever, would leave its row in the table."""
    assert story.world.rows_pending() == []
    assert story.world.lanes.waiting == story.world.lanes.in_flight == 0


def test_what_was_answered_well_is_not_sent_again_in_the_same_life(story: DeliveriesStory) -> None:
    for before, after in repeats(story):
        is_one_life = life_at(story, before.begun) is life_at(story, after.begun)
        if is_one_life and not moved_between(story, before.begun, after.begun):
            assert before.answer is None or before.answer.status_code != OK


def test_the_first_arrivals_of_an_invoice_are_in_the_order_of_their_numbers(
    story: DeliveriesStory,
) -> None:
    came: dict[tuple[EndpointId, str], list[int]] = defaultdict(list)
    # A person may want again what others have passed, and a crash may forget that one was skipped.
    apart = story.resent | ended_otherwise(story)
    for one, requests in by_delivery(story).items():
        body = orjson.loads(requests[0].body)
        if body.get("invoice") and one not in apart:
            came[requests[0].endpoint_id, body["invoice"]].append(body["sequence"])

    for numbers in came.values():
        assert numbers == sorted(numbers)


def test_never_two_of_an_invoice_are_under_way_to_an_endpoint(story: DeliveriesStory) -> None:
    rows: dict[tuple[EndpointId, str], list[Request]] = defaultdict(list)
    for one in story.world.network.requests:
        invoice = orjson.loads(one.body).get("invoice")
        if invoice and one.delivery_id not in story.resent:
            rows[one.endpoint_id, invoice].append(one)

    for requests in rows.values():
        for before, after in pairwise(requests):
            # What is under way when a partition moves ends as it ends, whoever has it then.
            is_moved = moved_between(story, before.begun, after.begun)
            assert before.ended <= after.begun or is_moved


def test_a_delivery_is_never_under_way_twice(story: DeliveriesStory) -> None:
    for requests in by_delivery(story).values():
        assert not meet(requests)


def repeats(story: DeliveriesStory) -> list[tuple[Request, Request]]:
    """Two requests of one delivery, the one after the other, which nobody asked for."""
    return [
        pair
        for one, requests in by_delivery(story).items()
        if one not in story.resent
        for pair in pairwise(requests)
    ]


def retries(story: DeliveriesStory) -> list[tuple[Request, Request]]:
    """Those that follow from the attempt before, as the step knew it.

    A crash may come after an attempt is in the log and before the step has read it; the next
    process makes the same attempt again, and the wait is counted from the first of the two.
    """
    made = Counter((one.delivery_id, one.number) for one in story.world.network.requests)
    return [
        (before, after)
        for before, after in repeats(story)
        if made[before.delivery_id, before.number] == 1 and after.number == before.number + 1
    ]


def life_at(story: DeliveriesStory, moment: float) -> Life:
    """The run of the process that made what began then."""
    return [life for life in story.world.lives if life.begun <= moment][-1]


def meet(requests: list[Request]) -> bool:
    """Whether two are under way at one moment; they are in the order in which they began."""
    return any(before.ended > after.begun for before, after in pairwise(requests))


def test_repeats_are_the_same_byte_for_byte(story: DeliveriesStory) -> None:
    for requests in by_delivery(story).values():
        assert len({one.body for one in requests}) == 1


def test_the_numbers_of_an_endpoint_have_no_gap_and_name_one_delivery_each(
    story: DeliveriesStory,
) -> None:
    numbers: dict[EndpointId, dict[DeliveryId, set[int]]] = defaultdict(lambda: defaultdict(set))
    for started in said(story.world.log.all("history"), DeliveriesStarted):
        for row in started.deliveries:
            numbers[row.endpoint_id][row.delivery_id].add(row.sequence)
    for one in story.world.network.requests:
        numbers[one.endpoint_id][one.delivery_id].add(orjson.loads(one.body)["sequence"])

    for found in numbers.values():
        known = [list(each - {0}) for each in found.values()]  # 0 says nothing
        assert sorted(known) == [[number] for number in range(1, len(known) + 1)]


def test_no_attempt_begins_beyond_the_limits(story: DeliveriesStory) -> None:
    limits = story.world.limits
    pairs = zip(story.world.begun, story.world.network.requests, strict=True)

    for begun, request in pairs:
        assert begun.in_all <= limits.all_in_flight_max
        if not story.world.moves:  # they part what is known of a standing from how a lane stands
            assert request.beside <= limits.of_lane(begun.standing)
            assert begun.in_standing <= limits.of_all(begun.standing)


def test_deliveries_in_memory_stay_within_their_limits(story: DeliveriesStory) -> None:
    limits, lanes = story.world.limits, len(story.world.known_endpoints())

    held_max = limits.held_max + lanes * len(Window) * limits.lane_held_min
    assert story.world.entries_max <= held_max
    assert max((one.in_memory for one in story.world.begun), default=0) <= held_max


def test_no_retry_is_made_before_it_is_due(story: DeliveriesStory) -> None:
    """By the monotonic clock while it is in memory; for the table there is the wall clock alone."""
    clock = story.world.clock
    due_at = {
        (one.delivery_id, one.attempt.at): one.next_attempt_at
        for one in attempted(story)
        if one.attempt is not None
    }
    for before, after in retries(story):
        due = due_at.get((before.delivery_id, before.at))
        is_known = after.number == before.number + 1  # else a crash came before the step knew it
        if (
            due is not None
            and is_known
            and waited_seconds(before, after) < (due - before.at).total_seconds()
        ):
            begin = max(life_at(story, after.begun).begun, before.begun)
            assert not was_in_memory(story, before, after)
            assert clock.latest_between(begin, after.begun + INSTANT_SECONDS) >= due


def test_a_receiver_that_asks_for_time_is_given_it(story: DeliveriesStory) -> None:
    for before, after in retries(story):
        asked = before.answer.retry_after_seconds if before.answer else None
        if asked is not None and was_in_memory(story, before, after):
            assert after.begun - before.ended >= asked - INSTANT_SECONDS


def waited_seconds(before: Request, after: Request) -> float:
    return after.begun - before.begun + INSTANT_SECONDS


def was_in_memory(story: DeliveriesStory, before: Request, after: Request) -> bool:
    """Whether one process made both attempts, kept the merchant, and had room for all."""
    is_one_life = life_at(story, before.begun) is life_at(story, after.begun)
    is_kept = is_one_life and not moved_between(story, before.begun, after.begun)
    return is_kept and story.world.limits is not SMALL


def moved_between(story: DeliveriesStory, begin: float, end: float) -> bool:
    """Whether a partition went away or came back, and with it what was in memory of it."""
    return any(begin <= moment <= end for moment in story.world.moves)
