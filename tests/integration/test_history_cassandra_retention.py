"""What is removed from history on a real Cassandra, and what is left to its time to live."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.history.cassandra.address import address_of
from connectors.history.cassandra.lives import WITH_RETENTION
from connectors.history.opening import make_at, open_history
from ops.cql.files import history_migrations
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import ReplayId
from streams.domain.replay import Selection
from streams.happenings import NoticeRepeated
from streams.ports import Archived, History
from streams.replays import ReplayRequested
from tests.builders import ENDPOINT, MERCHANT, NOW, a_delivery, a_notice, a_notification, an_attempt
from tests.history_engines import archived
from tests.history_keyspaces import Keyspaces
from tests.message_builders import (
    a_deliveries_started,
    a_delivery_attempted,
    a_notice_accepted,
    an_acknowledgement_taken,
    an_invoice_changed,
)
from tests.real_engines import fresh_name

pytestmark = pytest.mark.integration

PARTS = 24
REPLAY = ReplayId("rpl_1")
LATER = NOW + timedelta(days=400)


def all_that_was_said() -> list[Archived]:
    """A row in every table that has a time to live, and finished ones in those that have none."""
    notice, told = a_notice(), a_notification()
    delivery = replace(a_delivery(notification=told), sequence=1, replay_id=REPLAY)
    return archived(
        a_notice_accepted(notice=notice),
        an_invoice_changed(notice=notice, notifications=(told,), request_id="req_1"),
        NoticeRepeated(merchant_id=MERCHANT, notice_id=notice.notice_id, at=NOW),
        a_deliveries_started(deliveries=(delivery,)),
        a_delivery_attempted(
            delivery=delivery, attempt=an_attempt(), says_all=True, is_unacknowledged=True
        ),
        an_acknowledgement_taken(delivery=a_delivery(notification=a_notification(cause="another"))),
        ReplayRequested(
            merchant_id=MERCHANT,
            replay_id=REPLAY,
            endpoint_id=ENDPOINT,
            selection=Selection(first=1, last=1, statuses=(DeliveryStatus.FAILED,)),
            at=NOW,
        ),
    )


def rows_of(pool: Keyspaces, url: str, table: str) -> int:
    named = f"{address_of(url).keyspace}.{table}"
    return int(pool.execute(f"SELECT count(*) FROM {named}")[0][0])  # noqa: S608  # our names


async def test_what_has_a_time_to_live_is_left_to_it(
    url: str, history: History, pool: Keyspaces
) -> None:
    await history.store(all_that_was_said())

    await history.expire(LATER)

    assert {table: rows_of(pool, url, table) for table in WITH_RETENTION} == dict.fromkeys(
        WITH_RETENTION, 1
    )
    gone = ("notices", "raw_notices", "deliveries", "deliveries_by_day", "deliveries_by_event")
    assert {table: rows_of(pool, url, table) for table in gone} == dict.fromkeys(gone, 0)


@pytest.mark.parametrize(("asked_days", "removed"), [(400, 0), (401, 2)])
async def test_a_process_with_a_shorter_retention_removes_nothing_sooner(
    pool: Keyspaces, asked_days: int, removed: int
) -> None:
    url = pool.url(fresh_name("kept"))
    make_at(url, history_migrations(), retention_days=400)
    hasty = open_history(url, migrations=history_migrations(), retention_days=1)
    try:
        await hasty.store(all_that_was_said())

        gone = await hasty.expire(NOW + timedelta(days=asked_days - 1))
    finally:
        await hasty.close()

    assert gone == removed


async def test_a_part_removes_its_own_and_all_parts_everything(history: History) -> None:
    notices = [a_notice(name=f"n{number}") for number in range(200)]
    await history.store(archived(*(an_invoice_changed(notice=each) for each in notices)))

    removed = [await history.expire(LATER, part=part, parts=PARTS) for part in range(PARTS)]

    assert sum(removed) == 200
    assert max(removed) < 40
    assert (await history.counts()).matched == 0


async def test_what_expired_does_not_come_back_with_the_message_of_its_time(
    history: History,
) -> None:
    await history.store(all_that_was_said())
    assert await history.expire(LATER) > 0

    await history.store(all_that_was_said())

    counts = await history.counts()
    assert (counts.accepted, counts.matched, counts.notified) == (0, 0, 0)
