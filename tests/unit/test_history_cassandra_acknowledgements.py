"""What waits for an acknowledgement on Cassandra is removed where it was written, and for good."""

from __future__ import annotations

from datetime import timedelta

from connectors.history.cassandra.acknowledgements import (
    acknowledgement_removals,
    acknowledgement_writes,
)
from connectors.history.cassandra.times import first_said
from connectors.history.projecting import project
from streams.domain.delivery import Delivery
from streams.domain.ids import EndpointId
from streams.happenings import AcknowledgementTaken, DeliveryAttempted
from tests.builders import ENDPOINT, NOW, a_delivery, an_attempt
from tests.history_engines import archived
from tests.message_builders import a_delivery_attempted, an_acknowledgement_taken

OTHER = EndpointId("ep_other")
AT = NOW + timedelta(microseconds=1_999)  # a call knows whole milliseconds only
MINE, THEIRS = a_delivery(created_at=AT), a_delivery(created_at=AT, endpoint=OTHER)


def answered(delivery: Delivery, *, is_released: bool, number_of_round: int) -> DeliveryAttempted:
    return a_delivery_attempted(
        delivery=delivery,
        attempt=an_attempt(released_at=NOW if is_released else None),
        number_of_round=number_of_round,
        says_all=True,
        is_unacknowledged=not is_released,
    )


def place(delivery: Delivery) -> tuple[object, ...]:
    """Where a delivery is written while it waits."""
    batch = archived(answered(delivery, is_released=False, number_of_round=0))
    rows, wanted = project(batch), set[tuple[str, str, int]]()
    ((_, (*written, _)),) = acknowledgement_writes(rows, first_said(7), wanted)
    assert wanted == {(written[0], "unacknowledged", written[1])}
    return tuple(written)


def removed(message: AcknowledgementTaken | DeliveryAttempted) -> list[tuple[object, ...]]:
    """The places that a message clears; no write of the log has a greater timestamp."""
    requests = list(acknowledgement_removals(archived(message)))
    assert all(values[0] == first_said(0) for _, values in requests)
    return [tuple(values[1:]) for _, values in requests]


def test_a_call_removes_what_waits_at_each_endpoint_that_asks() -> None:
    both = an_acknowledgement_taken(delivery=MINE, asking=(ENDPOINT, OTHER))
    one = an_acknowledgement_taken(delivery=MINE, asking=(ENDPOINT, OTHER), endpoint=OTHER)

    assert removed(both) == [place(MINE), place(THEIRS)]
    assert removed(one) == [place(THEIRS)]
    assert removed(an_acknowledgement_taken(delivery=MINE, asking=())) == []


def test_an_answer_removes_what_waits_and_nothing_where_nothing_can_wait() -> None:
    assert removed(answered(MINE, is_released=True, number_of_round=1)) == [place(MINE)]
    assert removed(answered(MINE, is_released=True, number_of_round=0)) == []
    assert removed(answered(MINE, is_released=False, number_of_round=1)) == []
