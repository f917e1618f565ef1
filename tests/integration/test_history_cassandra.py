"""History on a real Cassandra that goes away, is killed, or finds work half done."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from connectors.history.cassandra.address import address_of
from connectors.history.opening import open_history
from connectors.log.limits import RECORD_BYTES_MAX
from ops.stack.cassandra import CassandraServer
from streams.clock import monotonic_seconds
from streams.domain.errors import CorruptState, Unavailable
from streams.domain.invoice import InvoiceStatus
from streams.happenings import HistoryMessage
from streams.ports import Archived, History
from tests.builders import (
    MERCHANT,
    NOW,
    a_delivery,
    a_notice,
    a_notification,
    an_attempt,
    an_invoice_terms,
)
from tests.conftest import Eventually
from tests.history_engines import an_open_history, archived, whole_feed
from tests.history_keyspaces import Keyspaces
from tests.integration.product_world import pause
from tests.message_builders import (
    a_deliveries_started,
    a_delivery_attempted,
    a_notice_accepted,
    a_notice_held,
    a_quarantined,
    an_invoice_changed,
)

pytestmark = pytest.mark.integration

UNAVAILABLE_SECONDS_MAX = 15.0
"""Nobody waits longer than this to learn that the cluster does not answer."""
TRY_AGAIN_SECONDS = 0.05
LARGE_BYTES = RECORD_BYTES_MAX * 3 // 4 - 1_000
SOCKET_FILLS_SECONDS = 0.3
"""By then the large rows have filled the socket to a node that stands still."""


async def back_again(server: CassandraServer, pool: Keyspaces, eventually: Eventually) -> None:
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.wait_usable)
    await eventually(pool.is_usable)


async def must_be_unavailable(history: History) -> None:
    begun = monotonic_seconds()
    with pytest.raises(Unavailable):
        await history.store(archived(a_notice_accepted()))
    assert monotonic_seconds() - begun < UNAVAILABLE_SECONDS_MAX


async def store_until_it_is_stored(history: History, batch: list[Archived]) -> int:
    """As the archiving step does; how often the cluster could not take it."""
    failures = 0
    while True:
        try:
            await history.store(batch)
        except Unavailable:
            failures += 1
            await pause(TRY_AGAIN_SECONDS)  # else this takes the core on which the server starts
        else:
            return failures


def payments(count: int) -> list[Archived]:
    messages: list[HistoryMessage] = []
    for number in range(count):
        notice = a_notice(name=f"n{number}")
        told = a_notification(cause=notice.notice_id)
        delivery = a_delivery(notification=told, sequence=number + 1)
        messages += [
            a_notice_accepted(notice=notice),
            an_invoice_changed(notice=notice, notifications=(told,)),
            a_deliveries_started(deliveries=(delivery,)),
            a_delivery_attempted(delivery=delivery, attempt=an_attempt()),
        ]
    return archived(*messages)


@pytest.mark.allows_errors
async def test_a_cluster_that_is_down_at_the_start_is_used_once_it_is_there(
    cassandra_server: CassandraServer, pool: Keyspaces, url: str, eventually: Eventually
) -> None:
    cassandra_server.kill()
    async with an_open_history(url) as history:
        await must_be_unavailable(history)
        await back_again(cassandra_server, pool, eventually)

        await history.store(archived(a_notice_accepted()))

        assert await history.has_notice(a_notice().notice_id)


@pytest.mark.allows_errors
async def test_nothing_is_missing_after_the_server_is_killed_while_it_stores(
    cassandra_server: CassandraServer, pool: Keyspaces, url: str, eventually: Eventually
) -> None:
    count = 1_500
    batches = payments(count)
    size = 400

    async def store_all(history: History) -> int:
        failures = 0
        for start in range(0, len(batches), size):
            failures += await store_until_it_is_stored(history, batches[start : start + size])
        return failures

    history = open_history(url)
    storing = asyncio.create_task(store_all(history))
    reader = open_history(url)
    while (await reader.archived_to("history", 0))[0] < len(batches) // 4:
        assert not storing.done()
    await asyncio.to_thread(cassandra_server.kill)
    await back_again(cassandra_server, pool, eventually)

    assert await asyncio.wait_for(storing, 60) > 0
    await reader.close()
    reader = open_history(url)
    counts = await reader.counts()
    assert (counts.accepted, counts.matched, counts.in_flight) == (count, count, 0)
    assert (counts.notified, counts.delivered, counts.events) == (count, count, count)
    feed = await whole_feed(reader, limit=500)
    assert [row.event_id for row in feed] == [
        a_notification(cause=a_notice(name=f"n{number}").notice_id).notification_id
        for number in range(count)
    ]
    await history.close()
    await reader.close()


@pytest.mark.allows_errors
async def test_a_server_that_does_not_answer_is_unavailable_and_then_used_again(
    cassandra_server: CassandraServer, history: History
) -> None:
    await history.store(archived(a_notice_accepted()))
    cassandra_server.freeze()
    try:
        await must_be_unavailable(history)
    finally:
        cassandra_server.thaw()

    assert await store_until_it_is_stored(history, archived(a_notice_held())) >= 0
    assert await history.has_notice(a_notice().notice_id)


async def test_what_is_asked_while_the_socket_is_full_waits_for_it(
    cassandra_server: CassandraServer, history: History
) -> None:
    def a_large_one(number: int) -> list[Archived]:
        large = a_quarantined(quarantine_id=f"qtn_{number}", raw=b"A" * LARGE_BYTES)
        return archived(large, first_offset=number)

    await history.store(a_large_one(0))  # its statements are prepared
    assert not await history.has_notice(a_notice().notice_id)
    cassandra_server.freeze()
    try:
        large = [asyncio.create_task(history.store(a_large_one(n))) for n in range(1, 16)]
        await asyncio.wait(large, timeout=SOCKET_FILLS_SECONDS)
        small = asyncio.create_task(history.has_notice(a_notice().notice_id))
        await asyncio.wait([small], timeout=SOCKET_FILLS_SECONDS)
    finally:
        cassandra_server.thaw()

    assert await asyncio.gather(*large, small) == [None] * len(large) + [False]


async def test_the_feed_shows_nothing_beyond_what_is_stored_completely(
    url: str, history: History, pool: Keyspaces
) -> None:
    keyspace = address_of(url).keyspace
    told = tuple(a_notification(cause=f"c{number}") for number in range(3))
    batch = archived(an_invoice_changed(notifications=told))
    await history.store(batch)

    pool.execute(f"TRUNCATE {keyspace}.feed_ends")  # as if it had been killed before the end
    assert await history.events(MERCHANT, after=None, types=(), limit=9) == ([], None)
    await history.store(batch)

    assert [row.event_id for row in await whole_feed(history)] == [
        each.notification_id for each in told
    ]


async def test_a_log_that_is_not_the_one_before_is_noticed(history: History) -> None:
    for cause in ("first", "second"):
        batch = archived(an_invoice_changed(notifications=(a_notification(cause=cause),)))
        if cause == "first":
            await history.store(batch)
            continue
        with pytest.raises(CorruptState, match="belongs to another log"):
            await history.store(batch)


async def test_what_was_matched_leaves_the_list_of_what_waits(
    url: str, history: History, pool: Keyspaces
) -> None:
    keyspace = address_of(url).keyspace
    await history.store(archived(a_notice_held(), an_invoice_changed(notice=a_notice())))

    assert await history.unmatched(MERCHANT, after=None, limit=9) == ([], None)

    assert pool.execute(f"SELECT notice_id FROM {keyspace}.waiting_by_day") == []  # noqa: S608  # our name


async def test_the_feed_goes_on_from_stretch_to_stretch(history: History) -> None:
    told = [a_notification(cause=f"c{number}") for number in range(30)]
    spread = 50_000  # about one event to a stretch
    for number, each in enumerate(told):
        message = an_invoice_changed(notifications=(each,))
        await history.store(archived(message, first_offset=number * spread))

    feed = await whole_feed(history, limit=12)
    chosen, _ = await history.events(MERCHANT, after=feed[3].cursor, types=("invoice.*",), limit=99)

    assert [row.event_id for row in feed] == [each.notification_id for each in told]
    assert chosen == [row for row in feed[4:] if row.type.startswith("invoice.")]


async def test_lists_go_on_from_day_to_day(history: History) -> None:
    days = 30
    for number in range(days):
        created_at = NOW - timedelta(days=number)
        terms = an_invoice_terms(invoice_number=f"N{number}", created_at=created_at)
        await history.register_invoice(terms, content="c", shown="{}")

    found: list[str] = []
    after = None
    while True:
        rows, after = await history.invoices(
            MERCHANT, status=InvoiceStatus.OPEN, invoice_number=None, after=after, limit=7
        )
        found += [row.invoice_id for row in rows]
        if after is None:
            break

    numbers = [f"N{number}" for number in range(days)]
    opened = [an_invoice_terms(invoice_number=number).invoice_id for number in numbers]
    assert found == opened
