"""Endpoints that come, change and go, and deliveries that are made again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.domain.delivery import (
    DeliveryStatus,
)
from streams.messages import (
    DeliveryDropped,
    EndpointRemoved,
    EndpointSet,
    ResendRequested,
)
from tests.builders import (
    ENDPOINT,
    MERCHANT,
    NOW,
    an_endpoint,
)
from tests.notifying_desk import (
    DELIVERY,
    KEY,
    OK,
    OTHER,
    SECOND,
    TOLD,
    Desk,
    ended,
    made,
)
from tests.step_builders import messages


@pytest.fixture
def desk() -> Desk:
    """A desk with one endpoint and one delivery under way."""
    desk = Desk(an_endpoint())
    desk.read(TOLD)
    return desk


# --- endpoints


def test_a_changed_endpoint_replaces_itself_alone() -> None:
    other = an_endpoint(endpoint=OTHER)
    desk = Desk(an_endpoint(), other)
    changed = an_endpoint(url="https://new.example")

    result = desk.read(EndpointSet(endpoint=changed))

    assert desk.endpoints == {KEY: (other, changed)}
    assert desk.lanes.endpoints == {ENDPOINT: changed, OTHER: other}
    assert result.outcome == "endpoint_enabled"


REMOVED = EndpointRemoved(merchant_id=MERCHANT, endpoint_id=ENDPOINT, at=NOW + SECOND)
DROPPED = DeliveryDropped(
    merchant_id=MERCHANT,
    delivery_id=DELIVERY.delivery_id,
    round=0,
    at=NOW + SECOND,
    endpoint_id=ENDPOINT,
    created_at=DELIVERY.created_at,
    sequence=DELIVERY.sequence,
)


def test_what_is_pending_for_a_removed_endpoint_is_dropped_and_nothing_else() -> None:
    other = an_endpoint(endpoint=OTHER)
    desk = Desk(an_endpoint(), other)
    desk.read(TOLD)

    result = desk.read(REMOVED)

    assert desk.endpoints == {KEY: (other,)}
    assert desk.lanes.endpoints == {OTHER: other}
    # What is removed is asked for once more, as a table may leave out what is under way.
    assert messages(result.records) == [DROPPED, REMOVED]


def test_what_was_known_of_a_removed_endpoint_leaves_the_directory(desk: Desk) -> None:
    desk.read(REMOVED)
    desk.read(DROPPED)
    (gone,) = desk.read(REMOVED).records

    assert (gone.topic, gone.key, gone.value) == ("directory", b"ep_test:health", b"")


def test_a_replayed_removal_drops_again_what_is_still_there(desk: Desk) -> None:
    first = desk.read(REMOVED)

    assert desk.read(REMOVED).records == first.records


def test_a_dropped_delivery_has_visibly_failed_also_when_it_is_replayed(desk: Desk) -> None:
    desk.read(REMOVED)

    first = desk.read(DROPPED)
    again = desk.read(DROPPED)

    assert desk.pending == []
    assert (ended(first).status, ended(first).attempt) == (DeliveryStatus.FAILED, None)
    assert (ended(first).reason, ended(first).at) == ("endpoint_removed", NOW + SECOND)
    assert again.records == first.records


def test_a_drop_of_an_earlier_round_leaves_the_resent_delivery(desk: Desk) -> None:
    again = replace(DELIVERY, round=1)
    desk.read(ResendRequested(delivery=again))

    desk.read(DROPPED)

    assert desk.pending == [again]


# --- resending


def test_a_finished_delivery_is_made_again_from_its_first_attempt(desk: Desk) -> None:
    desk.read(made(OK))
    again = replace(DELIVERY, round=1, had_ended=True)

    result = desk.read(ResendRequested(delivery=replace(again, had_ended=False)))

    assert desk.pending == [again]
    assert result.outcome == "resend"


def test_a_resend_whose_endpoint_was_removed_has_failed_at_once(desk: Desk) -> None:
    desk.read(made(OK))
    desk.read(REMOVED)

    result = desk.read(ResendRequested(delivery=replace(DELIVERY, round=1)))

    assert desk.pending == []
    assert (ended(result).round, ended(result).status) == (1, DeliveryStatus.FAILED)
