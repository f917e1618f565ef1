"""Whatever crashes, whenever: what was decided is told, and a repeat can be told apart."""

from __future__ import annotations

from collections import Counter

import orjson
import pytest

from streams.domain.delivery import DeliveryStatus
from streams.domain.health import Health
from streams.domain.ids import DeliveryId, EndpointId, NotificationId, delivery_id, notification_id
from streams.domain.notification import TOLD_OF_NOTICE, Notification, NotificationType
from streams.domain.sequence import numbered_body
from streams.happenings import (
    DeliveriesStarted,
    DeliveryAttempted,
)
from streams.messages import HealthSet
from tests.simulation.runs import EXACTLY_ONCE, RUNS, changes, feed, lived
from tests.simulation.story import Story, endpoint_id
from tests.step_builders import said, told

FINAL = {DeliveryStatus.DELIVERED, DeliveryStatus.FAILED, DeliveryStatus.SUPERSEDED}
TOLD_BY_THE_TIME = {
    NotificationType.INVOICE_PART_PAID,
    NotificationType.INVOICE_REOPENED,
    NotificationType.INVOICE_EXPIRED,
}
OF_ENDPOINTS = {NotificationType.ENDPOINT_FAILING, NotificationType.ENDPOINT_DISABLED}
"""They go to all endpoints but the one that they are about."""
UNMATCHED = NotificationType.PAYMENT_UNMATCHED


def on_the_way(story: Story) -> list[Notification]:
    return told(story.world.log.all("notifications"))


def main_endpoint(notification: Notification) -> EndpointId:
    return endpoint_id(notification.merchant_id, "main")


@pytest.mark.parametrize("run", RUNS)
def test_what_history_says_was_told_is_on_its_way_and_nothing_else(run: str) -> None:
    story = lived(run)

    on_its_way = {one.notification_id: one.type for one in on_the_way(story)}
    in_feed = {one.notification_id: one.type for one in feed(story)}
    only_once = {kind for _, kind in on_its_way.items() ^ in_feed.items()}
    # A deadline came between a decision that a crash took back in part and the second one.
    assert only_once <= (set() if run in EXACTLY_ONCE else TOLD_BY_THE_TIME)


@pytest.mark.parametrize("run", RUNS)
def test_a_notification_that_is_told_again_has_the_same_body(run: str) -> None:
    bodies: dict[NotificationId, set[str]] = {}
    for one in on_the_way(lived(run)):
        bodies.setdefault(one.notification_id, set()).add(one.body)

    assert [found for found in bodies.values() if len(found) > 1] == []


@pytest.mark.parametrize("run", RUNS)
def test_no_accepted_notice_is_silent(run: str) -> None:
    story = lived(run)
    heard = {one.notification_id for one in feed(story)}

    for notice in story.accepted.values():
        words = TOLD_OF_NOTICE[notice.kind], UNMATCHED
        assert heard & {notification_id(notice.notice_id, word) for word in words}


@pytest.mark.parametrize("run", RUNS)
def test_every_notification_is_delivered_or_pending_at_the_lasting_endpoint(run: str) -> None:
    story = lived(run)

    received = {delivery.delivery_id for delivery in story.world.received}
    pending = {row.delivery_id for row in story.world.rows_pending()}
    wanted = {
        delivery_id(one.notification_id, main_endpoint(one))
        for one in on_the_way(story)
        if one.type not in OF_ENDPOINTS
    }
    assert wanted - received - pending == set()


def standings(story: Story) -> dict[DeliveryId, set[DeliveryStatus]]:
    """What history says of each delivery, whatever it says first."""
    found: dict[DeliveryId, set[DeliveryStatus]] = {}
    for message in said(story.world.log.all("history"), DeliveriesStarted):
        for delivery in message.deliveries:
            found.setdefault(delivery.delivery_id, set())
    for attempted in said(story.world.log.all("history"), DeliveryAttempted):
        found.setdefault(attempted.delivery_id, set()).add(attempted.status)
    return found


@pytest.mark.parametrize("run", RUNS)
def test_history_knows_the_end_of_every_delivery_that_is_not_pending(run: str) -> None:
    story = lived(run)

    pending = {row.delivery_id for row in story.world.rows_pending()}
    known = standings(story)
    endless = {one for one, statuses in known.items() if not statuses & FINAL} - pending
    if run not in EXACTLY_ONCE:
        # Two changelogs go their own ways: the removal of an endpoint may outlive the rows that
        # were to be dropped with it. Nobody waits for these deliveries any more.
        endless &= {delivery_id(one.notification_id, main_endpoint(one)) for one in feed(story)}
    assert endless == set()


@pytest.mark.parametrize("run", RUNS)
def test_nothing_is_pending_without_its_endpoint(run: str) -> None:
    story = lived(run)

    known = {endpoint.endpoint_id for row in story.world.endpoints.values() for endpoint in row}
    assert {row.endpoint_id for row in story.world.rows_pending()} <= known


@pytest.mark.parametrize("run", RUNS)
def test_the_directory_knows_what_the_step_knows_of_every_endpoint(run: str) -> None:
    story = lived(run)

    in_directory = {
        row.endpoint_id: row.health for row in said(story.world.log.all("directory"), HealthSet)
    }
    for row in story.world.endpoints.values():
        for endpoint in row:
            health = in_directory.get(endpoint.endpoint_id, Health())
            seen = endpoint.with_health(health)
            assert seen.effective_status is endpoint.effective_status


def test_endpoints_that_are_gone_are_told_to_the_others_and_never_to_themselves() -> None:
    told = [
        (delivery.endpoint_id, orjson.loads(delivery.body)["data"]["endpoint"]["id"])
        for run in RUNS
        for delivery in lived(run).world.received
        if delivery.notification_type in OF_ENDPOINTS
    ]

    assert told
    assert [to for to, about in told if to == about] == []


@pytest.mark.parametrize("run", RUNS)
def test_one_id_never_names_two_things(run: str) -> None:
    named: dict[NotificationId, set[tuple[str, str | None]]] = {}
    for one in on_the_way(lived(run)):
        named.setdefault(one.notification_id, set()).add((one.type, one.invoice_id))

    assert [names for names in named.values() if len(names) != 1] == []


@pytest.mark.parametrize("run", EXACTLY_ONCE)
def test_whole_units_tell_everything_once_and_byte_for_byte(run: str) -> None:
    story = lived(run)

    bodies = {one.notification_id: one.body for one in feed(story)}
    assert set(Counter(one.notification_id for one in feed(story)).values()) == {1}
    for one in story.world.received:
        body = bodies[one.notification_id]
        assert one.body == numbered_body(body, one.sequence, one.previous_id)


@pytest.mark.parametrize("run", EXACTLY_ONCE)
def test_a_shop_that_only_releases_orders_never_releases_twice(run: str) -> None:
    paid: Counter[str] = Counter()

    for change in sorted(changes(lived(run)), key=lambda one: (one.invoice_id, one.version)):
        for one in change.notifications:
            paid[change.invoice_id] += one.type is NotificationType.INVOICE_PAID
            if one.type is NotificationType.INVOICE_REOPENED:
                paid[change.invoice_id] = 0
            assert paid[change.invoice_id] <= 1
