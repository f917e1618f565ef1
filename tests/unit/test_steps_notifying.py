"""The notifying step: who is told, what follows an attempt, and how a delivery ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from agents.notifying import notifying
from agents.step import Result
from streams.domain.delivery import (
    ATTEMPTS_MAX,
    Attempt,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
)
from streams.domain.ids import DeliveryId, EndpointId
from streams.happenings import DeliveriesStarted, DeliveryAttempted
from streams.messages import (
    AttemptMade,
    DeliveryDropped,
    EndpointRemoved,
    EndpointSet,
    Notified,
    ResendRequested,
)
from tests.builders import (
    ENDPOINT,
    MERCHANT,
    NOW,
    a_delivery,
    a_notification,
    an_attempt,
    an_endpoint,
)
from tests.step_builders import an_envelope, messages, said

KEY = MERCHANT.encode()
OTHER = EndpointId("ep_other")
SECOND = timedelta(seconds=1)
TOLD = Notified(merchant_id=MERCHANT, notifications=(a_notification(),))
DELIVERY = a_delivery()
ROW = DELIVERY.delivery_id.encode()


@dataclass
class FakeLanes:
    """What was offered and not withdrawn, and the endpoints that are known."""

    offered: dict[DeliveryId, Delivery] = field(default_factory=dict)
    endpoints: dict[EndpointId, Endpoint] = field(default_factory=dict)

    def offer(self, delivery: Delivery) -> None:
        self.offered[delivery.delivery_id] = delivery

    def withdraw(self, delivery_id: DeliveryId) -> None:
        self.offered.pop(delivery_id, None)

    def set_endpoint(self, endpoint: Endpoint) -> None:
        self.endpoints[endpoint.endpoint_id] = endpoint

    def remove_endpoint(self, endpoint_id: EndpointId) -> None:
        self.endpoints.pop(endpoint_id, None)


class Desk:
    """The step with dicts for its tables."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.endpoints: dict[bytes, tuple[Endpoint, ...]] = {}
        self.deliveries: dict[bytes, Delivery] = {}
        self.lanes = FakeLanes()
        self._step = notifying(
            endpoints=self.endpoints, deliveries=self.deliveries, lanes=self.lanes
        )
        for endpoint in endpoints:
            self.read(EndpointSet(endpoint=endpoint))

    def read(self, message: object, *, traceparent: str = "") -> Result:
        return self._step(
            an_envelope(message, key=KEY, topic="notifications", traceparent=traceparent)
        )

    @property
    def pending(self) -> list[Delivery]:
        """What is pending; the lanes must know the same."""
        rows = list(self.deliveries.values())
        assert rows == list(self.lanes.offered.values())
        return rows


def made(attempt: Attempt, *, delivery: Delivery = DELIVERY, fraction: float = 0.5) -> AttemptMade:
    return AttemptMade(
        merchant_id=MERCHANT,
        delivery_id=delivery.delivery_id,
        attempt=attempt,
        fraction=fraction,
        first_attempt_at=NOW,
        round=delivery.round,
    )


OK, BAD, GONE = an_attempt(), an_attempt(status_code=500), an_attempt(status_code=410)


@pytest.fixture
def desk() -> Desk:
    """A desk with one endpoint and one delivery under way."""
    desk = Desk(an_endpoint())
    desk.read(TOLD)
    return desk


def ended(result: Result) -> DeliveryAttempted:
    (message,) = said(result.records, DeliveryAttempted)
    return message


# --- fanning out


def test_a_notification_starts_a_delivery_to_each_endpoint_that_wants_it() -> None:
    uninterested = an_endpoint(endpoint=OTHER, types=("invoice.*",))
    desk = Desk(an_endpoint(types=("payment.*",)), uninterested)

    result = desk.read(TOLD, traceparent="00-trace")

    (delivery,) = desk.pending
    assert delivery == replace(DELIVERY, traceparent="00-trace")
    assert messages(result.records) == [
        DeliveriesStarted(merchant_id=MERCHANT, deliveries=(delivery,))
    ]
    assert result.outcome == "notified"


def test_without_an_endpoint_nobody_is_told_and_nothing_is_said() -> None:
    result = Desk().read(TOLD)

    assert (result.records, result.outcome) == ((), "nobody_to_tell")


def test_a_disabled_endpoint_keeps_collecting() -> None:
    desk = Desk(an_endpoint(status=EndpointStatus.DISABLED))

    desk.read(TOLD)

    assert desk.pending == [DELIVERY]


def test_a_replayed_notification_leaves_what_is_under_way_as_it_is(desk: Desk) -> None:
    desk.read(made(BAD))
    (waits,) = desk.pending

    result = desk.read(TOLD)

    assert desk.pending == [waits]
    assert messages(result.records) == [
        DeliveriesStarted(merchant_id=MERCHANT, deliveries=(waits,))
    ]


# --- attempts


def test_a_delivered_one_leaves_the_table_and_stays_in_history(desk: Desk) -> None:
    result = desk.read(made(OK))

    assert desk.pending == []
    message = ended(result)
    assert (message.status, message.attempt) == (DeliveryStatus.DELIVERED, OK)
    assert (message.next_attempt_at, result.outcome) == (None, "delivered")


def test_a_failed_attempt_is_followed_by_another(desk: Desk) -> None:
    result = desk.read(made(BAD))

    due_at = NOW + 2.5 * SECOND
    assert desk.pending == [replace(DELIVERY, attempts=1, first_attempt_at=NOW, due_at=due_at)]
    message = ended(result)
    assert (message.status, message.next_attempt_at) == (DeliveryStatus.RETRYING, due_at)


def test_when_the_schedule_is_used_up_the_delivery_has_failed(desk: Desk) -> None:
    result = desk.read(made(replace(BAD, number=ATTEMPTS_MAX)))

    assert desk.pending == []
    assert (ended(result).status, ended(result).reason) == (DeliveryStatus.FAILED, None)


@pytest.mark.parametrize("attempt", [OK, BAD, GONE, replace(BAD, number=ATTEMPTS_MAX)])
def test_a_replayed_attempt_says_the_same_again_and_changes_nothing(
    desk: Desk, attempt: Attempt
) -> None:
    first = desk.read(made(attempt))
    rows, endpoints = dict(desk.deliveries), dict(desk.endpoints)

    again = desk.read(made(attempt))

    assert again.records == first.records
    assert (desk.deliveries, desk.endpoints) == (rows, endpoints)
    assert len(desk.pending) == len(rows)


def test_of_two_tries_under_one_number_the_success_holds(desk: Desk) -> None:
    desk.read(made(BAD))

    result = desk.read(made(OK))

    assert desk.pending == []
    assert ended(result).status is DeliveryStatus.DELIVERED


@pytest.mark.parametrize("attempt", [OK, BAD, GONE])
def test_an_attempt_of_an_earlier_round_changes_nothing(desk: Desk, attempt: Attempt) -> None:
    again = replace(DELIVERY, round=1)
    desk.read(ResendRequested(delivery=again))

    result = desk.read(made(attempt))

    assert desk.pending == [again]
    assert ended(result).round == 0


# --- 410


def test_410_disables_the_endpoint_everywhere_and_the_delivery_waits(desk: Desk) -> None:
    gone = replace(GONE, at=NOW + SECOND)

    result = desk.read(made(gone))

    disabled = replace(an_endpoint(), status=EndpointStatus.DISABLED, updated_at=NOW + SECOND)
    assert desk.endpoints == {KEY: (disabled,)}
    assert desk.lanes.endpoints == {ENDPOINT: disabled}
    assert messages(result.records)[1:] == [EndpointSet(endpoint=disabled)]
    assert [(row.attempts, row.due_at) for row in desk.pending] == [(1, NOW + SECOND)]
    assert ended(result).status is DeliveryStatus.RETRYING


def test_a_person_who_changed_the_endpoint_since_is_not_overruled(desk: Desk) -> None:
    mended = replace(an_endpoint(url="https://new.example"), updated_at=NOW + SECOND)
    desk.read(EndpointSet(endpoint=mended))

    result = desk.read(made(GONE))

    assert desk.endpoints == {KEY: (mended,)}
    assert len(result.records) == 1


def test_410_for_a_delivery_that_is_over_disables_nothing(desk: Desk) -> None:
    desk.read(made(OK))

    result = desk.read(made(GONE))

    assert desk.endpoints == {KEY: (an_endpoint(),)}
    assert len(result.records) == 1


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
    merchant_id=MERCHANT, delivery_id=DELIVERY.delivery_id, round=0, at=NOW + SECOND
)


def test_what_is_pending_for_a_removed_endpoint_is_dropped_and_nothing_else() -> None:
    other = an_endpoint(endpoint=OTHER)
    desk = Desk(an_endpoint(), other)
    desk.read(TOLD)

    result = desk.read(REMOVED)

    assert desk.endpoints == {KEY: (other,)}
    assert desk.lanes.endpoints == {OTHER: other}
    assert messages(result.records) == [DROPPED]
    assert [record.topic for record in result.records] == ["notifications"]


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
    again = replace(DELIVERY, round=1)

    result = desk.read(ResendRequested(delivery=again))

    assert desk.pending == [again]
    assert result.outcome == "resend"


def test_a_resend_whose_endpoint_was_removed_has_failed_at_once(desk: Desk) -> None:
    desk.read(made(OK))
    desk.read(REMOVED)

    result = desk.read(ResendRequested(delivery=replace(DELIVERY, round=1)))

    assert desk.pending == []
    assert (ended(result).round, ended(result).status) == (1, DeliveryStatus.FAILED)
