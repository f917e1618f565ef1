"""What one file of history forgets by age: on Cassandra the time to live of a row does that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.history.retention import ROWS_PER_STEP_MAX, expire_step
from connectors.history.schema import connect
from connectors.history.sql import micros
from connectors.history.sqlite import SqliteHistory
from streams.domain.delivery import DeliveryStatus
from streams.domain.notification import NotificationType
from streams.happenings import NoticeRepeated
from tests.builders import ENDPOINT, MERCHANT, NOW, a_delivery, a_notice, a_notification
from tests.history_engines import archived
from tests.message_builders import (
    a_deliveries_started,
    a_delivery_attempted,
    a_notice_accepted,
    an_acknowledgement_taken,
    an_invoice_changed,
)

LATER = NOW + timedelta(days=1)


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[SqliteHistory]:
    opened = SqliteHistory(tmp_path / "history.db")
    yield opened
    await opened.close()


async def test_more_than_one_step_of_old_events_expires(history: SqliteHistory) -> None:
    count = 1_200
    told = [a_notification(cause=f"c{n}") for n in range(count)]
    changed = [an_invoice_changed(notifications=(each,)) for each in told]
    await history.store(archived(*changed))

    assert await history.expire(LATER) == count
    assert (await history.counts()).events == 0


async def test_no_step_removes_an_event_before_its_notice(
    history: SqliteHistory, tmp_path: Path
) -> None:
    early = NOW - timedelta(seconds=1)
    noted = [
        a_notice_accepted(notice=a_notice(name=f"n{n}"), about_money=False, received_at=early)
        for n in range(ROWS_PER_STEP_MAX)
    ]
    event = a_notification(kind=NotificationType.PAYMENT_CONFIRMED)
    matched = an_invoice_changed(notice=a_notice(name="paid"), notifications=(event,))
    await history.store(archived(*noted, matched))

    with closing(connect(tmp_path / "history.db")) as connection:
        expire_step(connection, [micros(LATER)])

    counts = await history.counts()
    assert (counts.noted, counts.matched, counts.told) == (0, 1, 1)


async def test_repeats_and_answers_to_commands_expire(history: SqliteHistory) -> None:
    notice = a_notice()
    repeated = NoticeRepeated(merchant_id=MERCHANT, notice_id=notice.notice_id, at=NOW)
    changed = an_invoice_changed(request_id="req_1")
    await history.store(archived(a_notice_accepted(notice=notice), repeated, changed))
    assert (await history.counts()).repeated == 1
    assert await history.command("req_1") is not None

    await history.expire(LATER)

    assert (await history.counts()).repeated == 0
    assert await history.command("req_1") is None


async def test_an_event_that_is_still_being_delivered_does_not_expire(
    history: SqliteHistory,
) -> None:
    told = a_notification()
    delivery = a_delivery(notification=told)
    started = a_deliveries_started(deliveries=(delivery,))
    await history.store(archived(an_invoice_changed(notifications=(told,)), started))
    await history.expire(LATER)
    assert (await history.counts()).events == 1

    await history.store(
        archived(a_delivery_attempted(delivery=delivery, status=DeliveryStatus.FAILED))
    )
    await history.expire(LATER)

    counts = await history.counts()
    assert (counts.events, counts.failed, counts.notified) == (0, 0, 0)


async def test_numbers_expire_with_their_deliveries(history: SqliteHistory) -> None:
    deliveries = [
        replace(a_delivery(notification=a_notification(cause=f"c{n}")), sequence=n)
        for n in (1, 2, 3)
    ]
    await history.store(archived(a_deliveries_started(deliveries=tuple(deliveries))))
    for delivery, status in zip(deliveries, ("delivered", "superseded", "retrying"), strict=True):
        ended = a_delivery_attempted(delivery=delivery, status=DeliveryStatus(status))
        await history.store(archived(replace(ended, sequence=delivery.sequence)))

    await history.expire(LATER + timedelta(days=365))

    endpoint_id = deliveries[0].endpoint_id
    left = await history.sequence_range(MERCHANT, endpoint_id, first=1, last=9, limit=9)
    assert [row.sequence for row in left] == [3]
    assert await history.last_sequence(MERCHANT, endpoint_id) == 3


async def test_acknowledgements_and_what_waits_for_them_expire(history: SqliteHistory) -> None:
    acknowledged, waits = a_delivery(), a_delivery(notification=a_notification(cause="waits"))
    told = [
        a_delivery_attempted(delivery=each, says_all=True, is_unacknowledged=True)
        for each in (acknowledged, waits)
    ]
    again = a_delivery_attempted(
        delivery=waits, status=DeliveryStatus.RETRYING, number_of_round=1, says_all=True
    )
    started = a_deliveries_started(deliveries=(acknowledged, waits))
    taken = an_acknowledgement_taken(delivery=acknowledged)
    await history.store(archived(started, *told, again, taken))
    assert await unacknowledged(history) == [waits.delivery_id]

    await history.expire(LATER)

    assert await unacknowledged(history) == []
    assert await history.delivery(MERCHANT, waits.delivery_id) is not None
    assert await history.acknowledgement(acknowledged.notification_id, None) is None


async def unacknowledged(history: SqliteHistory) -> list[str]:
    rows, _ = await history.unacknowledged(MERCHANT, ENDPOINT, before=LATER, after=None, limit=9)
    return [row.delivery_id for row in rows]
