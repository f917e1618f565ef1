"""Whatever crashes, whenever: numbers have no gap, and nothing overtakes what is of its invoice."""

from __future__ import annotations

from collections import defaultdict

import pytest

from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, NotificationId
from streams.happenings import DeliveriesStarted, DeliveryAttempted
from tests.simulation.runs import AT_LEAST_ONCE, EXACTLY_ONCE, RUNS, lived
from tests.simulation.story import Story
from tests.step_builders import said, told


def numbers(story: Story) -> dict[EndpointId, dict[DeliveryId, set[int]]]:
    """Every number that was ever said of a delivery; 0 says nothing."""
    found: dict[EndpointId, dict[DeliveryId, set[int]]] = defaultdict(lambda: defaultdict(set))
    for message in said(story.world.log.all("history"), DeliveriesStarted):
        for one in message.deliveries:
            found[one.endpoint_id][one.delivery_id].add(one.sequence)
    for attempted in said(story.world.log.all("history"), DeliveryAttempted):
        assert attempted.endpoint_id is not None
        found[attempted.endpoint_id][attempted.delivery_id].add(attempted.sequence)
    for one in [*story.world.received, *story.world.rows_pending()]:
        found[one.endpoint_id][one.delivery_id].add(one.sequence)
    return {
        endpoint: {delivery: numbers - {0} for delivery, numbers in deliveries.items()}
        for endpoint, deliveries in found.items()
    }


@pytest.mark.parametrize("run", RUNS)
def test_a_delivery_has_one_number_and_an_endpoint_has_all_of_them(run: str) -> None:
    story = lived(run)
    lasting = {endpoint.endpoint_id for row in story.world.endpoints.values() for endpoint in row}
    for endpoint_id, deliveries in numbers(story).items():
        known = sorted(number for found in deliveries.values() for number in found)

        if run in EXACTLY_ONCE or endpoint_id in lasting:
            assert {len(found) for found in deliveries.values()} == {1}
            assert known == list(range(1, len(known) + 1))
        else:  # its removal may outlive what a crash took, and nobody waits for that any more
            assert len(known) == len(set(known))


@pytest.mark.parametrize("run", RUNS)
def test_a_delivery_names_the_one_with_the_number_before(run: str) -> None:
    story = lived(run)
    by_number: dict[tuple[EndpointId, int], NotificationId] = {}
    sent = [*story.world.received, *story.world.rows_pending()]
    for one in sent:
        by_number[one.endpoint_id, one.sequence] = one.notification_id

    for one in sent:
        before = by_number.get((one.endpoint_id, one.sequence - 1))
        if one.sequence == 1 or before is not None:
            assert one.previous_id == before


def skipped(story: Story) -> set[DeliveryId]:
    return {
        one.delivery_id
        for one in said(story.world.log.all("history"), DeliveryAttempted)
        if one.status is DeliveryStatus.SUPERSEDED
    }


@pytest.mark.parametrize("run", RUNS)
def test_nothing_overtakes_what_was_told_of_the_same_invoice_before(run: str) -> None:
    story = lived(run)
    invoice_of = {
        one.notification_id: one.invoice_id for one in told(story.world.log.all("notifications"))
    }
    first_came: dict[tuple[EndpointId, str], list[int]] = defaultdict(list)
    # A crash may forget that one was skipped, and then it comes after all, late.
    seen = set() if run in EXACTLY_ONCE else skipped(story)
    for one in story.world.received:
        invoice_id = invoice_of[one.notification_id]
        if one.delivery_id not in seen and invoice_id is not None:
            first_came[one.endpoint_id, invoice_id].append(one.sequence)
        seen.add(one.delivery_id)

    for came in first_came.values():
        assert came == sorted(came)


def test_states_were_superseded_and_steps_said_the_same_at_another_place() -> None:
    """Else the tests above show nothing."""
    repeats = superseded = 0
    for run in AT_LEAST_ONCE:
        superseded += len(skipped(lived(run)))
        ids = [one.notification_id for one in told(lived(run).world.log.all("notifications"))]
        repeats += len(ids) - len(set(ids))

    assert repeats > 0
    assert superseded > 0
