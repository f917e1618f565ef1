"""What every engine of history owes an audit: the deliveries that nobody seems to try any more."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from streams.domain.delivery import Delivery, DeliveryStatus
from streams.domain.ids import EndpointId
from streams.ports import Archived, History
from tests.builders import ENDPOINT, NOW, a_delivery, a_notification, an_attempt
from tests.history_engines import archived
from tests.message_builders import a_deliveries_started, a_delivery_attempted

BEFORE = NOW + timedelta(days=2)
OTHER = EndpointId("ep_other")


def waiting(name: str, *, endpoint: EndpointId = ENDPOINT, at: datetime = NOW) -> Delivery:
    told = a_notification(cause=name, at=at)
    return a_delivery(notification=told, endpoint=endpoint, created_at=at)


def tried(
    delivery: Delivery, *, at: datetime, status: DeliveryStatus, again_at: datetime | None = None
) -> list[Archived]:
    attempt = an_attempt(at=at)
    message = a_delivery_attempted(
        delivery=delivery, status=status, attempt=attempt, at=at, next_attempt_at=again_at
    )
    return archived(message, first_offset=1)


async def test_what_was_started_and_never_tried_is_stalled(history: History) -> None:
    made = waiting("one"), waiting("two"), waiting("other", endpoint=OTHER)
    await history.store(archived(a_deliveries_started(deliveries=made)))

    assert await history.stalled(BEFORE) == {ENDPOINT: 2, OTHER: 1}
    assert await history.stalled(BEFORE, since=NOW) == {ENDPOINT: 2, OTHER: 1}
    assert await history.stalled(BEFORE, since=NOW + timedelta(seconds=1)) == {}
    assert await history.stalled(NOW) == {}


async def test_an_endpoint_with_a_late_attempt_is_slow_and_not_stalled(history: History) -> None:
    done, other = waiting("done"), waiting("other", endpoint=OTHER)
    made = done, waiting("behind it"), other
    await history.store(archived(a_deliveries_started(deliveries=made)))
    await history.store(tried(done, at=BEFORE, status=DeliveryStatus.DELIVERED))

    assert await history.stalled(BEFORE) == {OTHER: 1}


async def test_a_new_delivery_is_no_attempt(history: History) -> None:
    old, new = waiting("old"), waiting("new", at=BEFORE)
    await history.store(archived(a_deliveries_started(deliveries=(old,))))
    started = a_deliveries_started(deliveries=(new,))
    await history.store(archived(started, first_offset=1, recorded_at=BEFORE))

    assert await history.stalled(BEFORE) == {ENDPOINT: 1}


async def test_a_retry_is_stalled_when_its_time_is_over(history: History) -> None:
    retry = waiting("retry")
    await history.store(archived(a_deliveries_started(deliveries=(retry,))))
    due = NOW + timedelta(days=1)
    await history.store(tried(retry, at=NOW, status=DeliveryStatus.RETRYING, again_at=due))

    assert await history.stalled(due) == {}
    assert await history.stalled(due + timedelta(microseconds=1)) == {ENDPOINT: 1}


@pytest.mark.parametrize("status", [DeliveryStatus.DELIVERED, DeliveryStatus.FAILED])
async def test_what_has_ended_is_not_stalled(history: History, status: DeliveryStatus) -> None:
    ended = waiting("ended")
    await history.store(archived(a_deliveries_started(deliveries=(ended,))))
    await history.store(tried(ended, at=NOW, status=status))

    assert await history.stalled(BEFORE) == {}
