"""What every engine of history owes those who pull: one order, no gap, cursors that go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from streams.domain.ids import MerchantId
from streams.domain.notification import NotificationType
from streams.ports import History
from tests.builders import MERCHANT, NOW, a_notification
from tests.history_engines import ENGINES, an_open_history, archived, whole_feed
from tests.message_builders import an_invoice_changed

OTHER = MerchantId("mer_other")
SECOND = timedelta(seconds=1)


@pytest.fixture(params=sorted(ENGINES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ENGINES[request.param](request)(tmp_path)


@pytest.fixture
async def history(url: str) -> AsyncIterator[History]:
    async with an_open_history(url) as opened:
        yield opened


async def test_the_feed_is_in_the_order_of_the_log_and_of_each_message(history: History) -> None:
    told = [a_notification(cause=f"c{n}", body=f'{{"n": {n}, "店": "é"}}') for n in range(9)]
    changed = [an_invoice_changed(notifications=tuple(told[n : n + 3])) for n in (0, 3, 6)]
    await history.store(archived(*changed, first_offset=70))

    feed = await whole_feed(history, limit=2)

    assert [row.event_id for row in feed] == [each.notification_id for each in told]
    assert [row.body for row in feed] == [each.body for each in told]
    assert [row.recorded_at for row in feed[::3]] == [NOW, NOW + SECOND, NOW + 2 * SECOND]
    assert await history.event(MERCHANT, told[4].notification_id) == feed[4]
    assert await history.event(OTHER, told[4].notification_id) is None


async def test_an_event_that_is_told_again_keeps_its_first_place(history: History) -> None:
    first, second = a_notification(cause="first"), a_notification(cause="second")
    await history.store(archived(an_invoice_changed(notifications=(first, second))))
    before = await whole_feed(history)

    again = an_invoice_changed(notifications=(second, first))
    await history.store(archived(again, first_offset=9))

    assert await whole_feed(history) == before


async def test_a_cursor_goes_on_from_what_was_looked_at_though_no_type_fits(
    history: History,
) -> None:
    kinds = (NotificationType.INVOICE_PAID, NotificationType.PAYMENT_PRELIMINARY)
    told = tuple(a_notification(kind=kind) for kind in kinds)
    assert await history.events(MERCHANT, after=None, types=(), limit=5) == ([], None)
    await history.store(archived(an_invoice_changed(notifications=told)))

    paid, past = await history.events(MERCHANT, after=None, types=("invoice.*",), limit=5)
    none, cursor = await history.events(MERCHANT, after=None, types=("invoice.expired",), limit=5)
    rest, stays = await history.events(MERCHANT, after=cursor, types=(), limit=5)

    assert [row.type for row in paid] == ["invoice.paid"]
    assert (none, rest, stays) == ([], [], cursor)
    assert past == cursor
    assert cursor is not None


async def test_a_reader_stands_where_it_stood_when_all_it_read_has_expired(
    history: History,
) -> None:
    await history.store(archived(an_invoice_changed(notifications=(a_notification(),))))
    _, cursor = await history.events(MERCHANT, after=None, types=(), limit=5)

    await history.expire(NOW + 9 * SECOND)

    assert await history.events(MERCHANT, after=cursor, types=(), limit=5) == ([], cursor)


async def test_a_page_that_is_full_ends_at_its_last_row(history: History) -> None:
    told = tuple(a_notification(cause=f"c{n}") for n in range(4))
    await history.store(archived(an_invoice_changed(notifications=told)))
    rows, cursor = await history.events(MERCHANT, after=None, types=(), limit=2)

    assert cursor == rows[-1].cursor
    rest, _ = await history.events(MERCHANT, after=cursor, types=(), limit=2)
    assert [row.event_id for row in rest] == [each.notification_id for each in told[2:]]


async def test_readers_beside_a_writer_never_miss_an_event(url: str, history: History) -> None:
    count = 400
    told = [a_notification(cause=f"c{n}") for n in range(count)]
    messages = archived(*(an_invoice_changed(notifications=(each,)) for each in told))

    async def follow(reader: History) -> list[str]:
        seen: list[str] = []
        cursor = None
        while len(seen) < count:
            rows, cursor = await reader.events(MERCHANT, after=cursor, types=(), limit=7)
            seen += [row.event_id for row in rows]
        return seen

    async with an_open_history(url) as other, asyncio.TaskGroup() as tasks:
        followers = [tasks.create_task(follow(each)) for each in (history, other, other)]
        for start in range(0, count, 5):
            await history.store(messages[start : start + 5])

    for follower in followers:
        assert follower.result() == [each.notification_id for each in told]
