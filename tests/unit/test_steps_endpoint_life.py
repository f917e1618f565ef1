"""An endpoint that fails: it is told of, paused, and enabled again, whatever is read twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import orjson
import pytest

from agents.step import Result
from streams.domain.delivery import Attempt, Endpoint, EndpointStatus
from streams.domain.health import FAILED_HOURS_MIN, PAUSED_AFTER, StatusReason
from streams.domain.ids import EndpointId
from streams.domain.notification import Notification, NotificationType
from streams.happenings import DeliveriesStarted, EndpointTold
from streams.messages import EndpointSet, HealthSet, Notified
from tests.builders import ENDPOINT, MERCHANT, NOW, a_notification, an_attempt, an_endpoint
from tests.notifying_desk import BAD, GONE, KEY, OK, OTHER, SECOND, TOLD, Desk, ended, made
from tests.step_builders import messages, said

HOUR = timedelta(hours=1)
DISABLED = NotificationType.ENDPOINT_DISABLED


@pytest.fixture
def desk() -> Desk:
    """A desk with two endpoints, and a delivery under way to each of them."""
    desk = Desk(an_endpoint(), an_endpoint(endpoint=OTHER))
    desk.read(TOLD)
    return desk


def of(desk: Desk, endpoint_id: EndpointId = ENDPOINT) -> Endpoint:
    """An endpoint as the table has it; the lanes must know the same."""
    (found,) = [each for each in desk.endpoints[KEY] if each.endpoint_id == endpoint_id]
    assert desk.lanes.endpoints[endpoint_id] == found
    return found


def told(result: Result) -> Notification:
    (notified,) = said(result.records, Notified)
    assert notified.about == ENDPOINT
    (notification,) = notified.notifications
    return notification


def failed(at: datetime) -> Attempt:
    return replace(BAD, at=at)


def fail_for_days(desk: Desk) -> Result:
    """First attempts fail in as many hours as it takes, the last one after five days."""
    for hour in range(FAILED_HOURS_MIN - 1):
        desk.read(made(failed(NOW + hour * HOUR)))
    return desk.read(made(failed(NOW + PAUSED_AFTER)))


# --- failing


def test_the_first_failures_change_nothing_that_anybody_sees(desk: Desk) -> None:
    results = [desk.read(made(failed(NOW + minute * SECOND * 60))) for minute in range(30)]

    assert {len(result.records) for result in results} == {1}
    assert of(desk).effective_status is EndpointStatus.ENABLED


def test_a_warning_says_since_when_and_the_directory_knows_it(desk: Desk) -> None:
    desk.read(made(failed(NOW)))

    result = desk.read(made(failed(NOW + HOUR)))

    warning = told(result)
    assert (warning.type, warning.at) == (NotificationType.ENDPOINT_FAILING, NOW + HOUR)
    assert orjson.loads(warning.body) == {
        "type": "endpoint.failing",
        "timestamp": "2026-11-24T02:15:00Z",
        "data": {
            "endpoint": {
                "id": ENDPOINT,
                "status": "enabled",
                "status_reason": None,
                "failing_since": "2026-11-24T01:15:00Z",
            }
        },
    }
    (known,) = said(result.records, HealthSet)
    assert (known.endpoint_id, known.health) == (ENDPOINT, of(desk).health)
    assert [(r.topic, r.key) for r in result.records if r.topic == "directory"] == [
        ("directory", b"ep_test:health")
    ]


def test_after_five_days_it_is_paused_and_what_comes_waits(desk: Desk) -> None:
    notification = told(fail_for_days(desk))

    assert of(desk).effective_status is EndpointStatus.PAUSED
    assert notification.type is DISABLED
    shown = orjson.loads(notification.body)["data"]["endpoint"]
    assert (shown["status"], shown["status_reason"]) == ("paused", "failing")
    later = a_notification(cause="later")
    desk.read(Notified(merchant_id=MERCHANT, notifications=(later,)))
    assert ENDPOINT in {
        row.endpoint_id for row in desk.pending if row.notification_id == later.notification_id
    }


def test_a_success_takes_the_pause_and_the_warning_back(desk: Desk) -> None:
    fail_for_days(desk)

    result = desk.read(made(replace(OK, at=NOW + 6 * 24 * HOUR)))

    (known,) = said(result.records, HealthSet)
    assert known.health.failing_since is None
    assert said(result.records, Notified) == []
    assert of(desk).effective_status is EndpointStatus.ENABLED


def test_an_attempt_that_tells_tells_the_same_when_it_is_read_again(desk: Desk) -> None:
    first = fail_for_days(desk)
    rows = dict(desk.endpoints)

    again = desk.read(made(failed(NOW + PAUSED_AFTER)))

    assert again.records == first.records
    assert desk.endpoints == rows


def test_an_attempt_of_an_endpoint_that_was_removed_says_nothing_of_it() -> None:
    result = Desk().read(made(GONE))

    assert len(result.records) == 1


# --- whom it is told


def test_it_is_told_to_the_others_and_stands_in_history(desk: Desk) -> None:
    notification = told(fail_for_days(desk))
    notified = Notified(merchant_id=MERCHANT, notifications=(notification,), about=ENDPOINT)

    result = desk.read(notified)

    history, started = messages(result.records)
    assert history == EndpointTold(merchant_id=MERCHANT, notifications=(notification,))
    assert isinstance(started, DeliveriesStarted)
    assert [delivery.endpoint_id for delivery in started.deliveries] == [OTHER]


def test_it_stands_in_history_also_when_no_other_endpoint_wants_it() -> None:
    desk = Desk(an_endpoint(), an_endpoint(endpoint=OTHER, types=("invoice.*",)))
    notification = a_notification(kind=DISABLED)

    result = desk.read(
        Notified(merchant_id=MERCHANT, notifications=(notification,), about=ENDPOINT)
    )

    assert messages(result.records) == [
        EndpointTold(merchant_id=MERCHANT, notifications=(notification,))
    ]
    assert desk.pending == []


# --- 410


def test_410_disables_the_endpoint_everywhere_and_the_delivery_waits(desk: Desk) -> None:
    result = desk.read(made(replace(GONE, at=NOW + SECOND)))

    endpoint = of(desk)
    assert endpoint.effective_status is EndpointStatus.DISABLED
    assert endpoint.status_reason is StatusReason.GONE
    (known,) = said(result.records, HealthSet)
    assert known.health == endpoint.health
    shown = orjson.loads(told(result).body)["data"]["endpoint"]
    assert shown == {
        "id": ENDPOINT,
        "status": "disabled",
        "status_reason": "gone",
        "failing_since": None,
    }
    waiting = [row for row in desk.pending if row.endpoint_id == ENDPOINT]
    assert [(row.attempts, row.due_at) for row in waiting] == [(1, NOW + SECOND)]
    assert ended(result).status == "retrying"


def test_410_for_a_delivery_that_is_over_disables_nothing(desk: Desk) -> None:
    desk.read(made(OK))
    before = of(desk)

    result = desk.read(made(replace(GONE, at=NOW + HOUR)))

    assert of(desk) == before
    assert len(result.records) == 1


# --- what a person changes


def test_a_person_who_moved_the_endpoint_since_is_not_overruled(desk: Desk) -> None:
    mended = replace(an_endpoint(url="https://new.example"), enabled_at=NOW + SECOND)
    desk.read(EndpointSet(endpoint=mended))

    result = desk.read(made(GONE))

    assert of(desk) == mended
    assert len(result.records) == 1


@pytest.mark.parametrize("is_read_first", [True, False])
def test_a_410_never_takes_the_place_of_what_a_person_changed(
    desk: Desk, *, is_read_first: bool
) -> None:
    changed = EndpointSet(endpoint=an_endpoint(sealed_secret="new"))
    order = [changed, made(GONE)] if is_read_first else [made(GONE), changed]

    results = [desk.read(message) for message in order]

    assert (of(desk).sealed_secret, of(desk).effective_status) == ("new", "disabled")
    in_directory = [r.key for result in results for r in result.records if r.topic == "directory"]
    assert in_directory == [b"ep_test:health"]


def test_a_change_alone_does_not_enable_what_was_paused(desk: Desk) -> None:
    fail_for_days(desk)

    result = desk.read(EndpointSet(endpoint=an_endpoint(types=("invoice.*",))))

    assert of(desk).types == ("invoice.*",)
    assert of(desk).effective_status is EndpointStatus.PAUSED
    assert result.outcome == "endpoint_paused"


def test_enabling_begins_anew(desk: Desk) -> None:
    fail_for_days(desk)
    enabled_at = NOW + 6 * 24 * HOUR

    desk.read(EndpointSet(endpoint=replace(an_endpoint(), enabled_at=enabled_at)))
    late = desk.read(made(failed(enabled_at - SECOND)))
    new = desk.read(made(an_attempt(at=enabled_at + SECOND, status_code=500)))

    assert of(desk).effective_status is EndpointStatus.ENABLED
    assert of(desk).health.failures == (enabled_at + SECOND,)
    assert (len(late.records), len(new.records)) == (1, 1)
