"""What every engine of history owes those who read lists: filters, pages and cursors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.log.limits import RECORD_BYTES_MAX
from streams.domain.delivery import DeliveryStatus
from streams.domain.errors import Malformed
from streams.domain.ids import EndpointId, MerchantId
from streams.domain.invoice import InvoiceStatus
from streams.ports import History
from tests.builders import (
    MERCHANT,
    NOW,
    a_delivery,
    a_notice,
    a_notification,
    an_attempt,
    an_invoice_terms,
)
from tests.history_engines import ENGINES, an_open_history, archived
from tests.message_builders import (
    a_deliveries_started,
    a_delivery_attempted,
    a_notice_held,
    a_quarantined,
    an_invoice_changed,
)

OTHER = MerchantId("mer_other")
SECOND = timedelta(seconds=1)
NO_FILTER: dict[str, Any] = {"endpoint_id": None, "event_id": None, "status": None}

Page = tuple[Sequence[Any], str | None]


@pytest.fixture(params=sorted(ENGINES))
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ENGINES[request.param](request)(tmp_path)


@pytest.fixture
async def history(url: str) -> AsyncIterator[History]:
    async with an_open_history(url) as opened:
        yield opened


async def all_pages(ask: Callable[[str | None], Awaitable[Page]], limit: int) -> list[Any]:
    """All rows of a list, and a check that only the last page is not full."""
    found: list[Any] = []
    after = None
    while True:
        rows, after = await ask(after)
        found += rows
        if after is None:
            return found
        assert len(rows) == limit


async def test_invoices_come_newest_first_in_pages(history: History) -> None:
    numbers = [f"N{n}" for n in range(7)]
    for n, number in enumerate(numbers):
        # Pairs share their time, so that only the id tells them apart.
        terms = an_invoice_terms(invoice_number=number, created_at=NOW + (n // 2) * SECOND)
        await history.register_invoice(terms, content="c", shown=f'{{"n": {n}}}')
    paid = an_invoice_terms(invoice_number="N3", created_at=NOW + SECOND)
    await history.store(archived(an_invoice_changed(terms=paid, status=InvoiceStatus.PAID)))

    async def ask(after: str | None) -> Page:
        return await history.invoices(
            MERCHANT, status=None, invoice_number=None, after=after, limit=3
        )

    found = [row.invoice_id for row in await all_pages(ask, 3)]
    ids = [an_invoice_terms(invoice_number=number).invoice_id for number in numbers]
    newest_first = [
        ids[6],
        *sorted(ids[4:6])[::-1],
        *sorted(ids[2:4])[::-1],
        *sorted(ids[:2])[::-1],
    ]
    assert found == newest_first
    by_status, _ = await history.invoices(
        MERCHANT, status=InvoiceStatus.PAID, invoice_number=None, after=None, limit=3
    )
    by_number, _ = await history.invoices(
        MERCHANT, status=None, invoice_number="N5", after=None, limit=3
    )
    assert [row.invoice_id for row in by_status] == [paid.invoice_id]
    assert [row.invoice_id for row in by_number] == [ids[5]]
    assert await history.invoices(OTHER, status=None, invoice_number=None, after=None, limit=3) == (
        [],
        None,
    )


async def test_deliveries_come_newest_first_with_their_attempts(history: History) -> None:
    endpoint = EndpointId("ep_second")
    told = [a_notification(cause=f"c{n}") for n in range(5)]
    started = [
        a_delivery(notification=each, created_at=NOW + n * SECOND) for n, each in enumerate(told)
    ]
    elsewhere = a_delivery(notification=told[0], endpoint=endpoint, created_at=NOW - SECOND)
    refused = a_delivery_attempted(
        delivery=started[1],
        status=DeliveryStatus.RETRYING,
        attempt=an_attempt(status_code=503, answer="busy"),
        next_attempt_at=NOW + 5 * SECOND,
    )
    await history.store(archived(a_deliveries_started(deliveries=(*started, elsewhere)), refused))

    async def ask(after: str | None) -> Page:
        return await history.deliveries(MERCHANT, **NO_FILTER, after=after, limit=4)

    async def only(**chosen: object) -> list[str]:
        rows, _ = await history.deliveries(MERCHANT, **{**NO_FILTER, **chosen}, after=None, limit=9)
        return [row.delivery_id for row in rows]

    found = await all_pages(ask, 4)
    assert [row.delivery_id for row in found] == [
        d.delivery_id for d in (*started[::-1], elsewhere)
    ]
    assert found[3].attempts == (an_attempt(status_code=503, answer="busy"),)
    assert found[3].next_attempt_at == NOW + 5 * SECOND
    assert await history.delivery(MERCHANT, started[1].delivery_id) == found[3]
    assert await history.delivery(OTHER, started[1].delivery_id) is None
    assert await only(endpoint_id=endpoint) == [elsewhere.delivery_id]
    assert await only(event_id=told[0].notification_id) == [
        found[4].delivery_id,
        found[5].delivery_id,
    ]
    assert await only(status=DeliveryStatus.RETRYING) == [started[1].delivery_id]
    assert await only(status=DeliveryStatus.DELIVERED) == []


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_a_delivery_stands_where_its_newest_attempt_left_it(
    history: History, *, is_reversed: bool
) -> None:
    delivery = a_delivery()
    attempts = [
        a_delivery_attempted(
            delivery=delivery,
            status=status,
            attempt=an_attempt(number=number),
            number_of_round=of_round,
        )
        for of_round, number, status in (
            (0, 1, DeliveryStatus.RETRYING),
            (0, 2, DeliveryStatus.DELIVERED),
            (0, 3, DeliveryStatus.RETRYING),
            (1, 1, DeliveryStatus.RETRYING),
        )
    ]
    messages = archived(a_deliveries_started(), *attempts[:3])
    await history.store(messages[::-1] if is_reversed else messages)
    row = await history.delivery(MERCHANT, delivery.delivery_id)
    assert row is not None
    assert (row.status, row.next_attempt_at) == (DeliveryStatus.DELIVERED, None)

    resent = a_deliveries_started(deliveries=(a_delivery(number_of_round=1),))
    for message in archived(attempts[3], resent, *attempts[:3]):
        await history.store([message])

    row = await history.delivery(MERCHANT, delivery.delivery_id)
    assert row is not None
    assert (row.status, row.round) == (DeliveryStatus.RETRYING, 1)
    assert [attempt.number for attempt in row.attempts] == [1, 2, 3, 1]


async def test_waiting_notices_come_oldest_first_and_go_when_matched(history: History) -> None:
    notices = [a_notice(name=f"n{n}") for n in range(5)]
    held = [
        a_notice_held(notice=each, received_at=NOW - n * SECOND) for n, each in enumerate(notices)
    ]
    put_back = a_quarantined(notice=notices[0], at=NOW - 9 * SECOND)
    await history.store(archived(put_back, *held))
    await history.store(archived(an_invoice_changed(notice=notices[2]), first_offset=9))

    async def ask(after: str | None) -> Page:
        return await history.unmatched(MERCHANT, after=after, limit=2)

    found = await all_pages(ask, 2)
    assert [row.notice for row in found] == [notices[n] for n in (4, 3, 1, 0)]
    assert await history.waiting_notice(MERCHANT, notices[4].notice_id) == found[0]
    assert await history.waiting_notice(MERCHANT, notices[2].notice_id) is None
    assert await history.waiting_notice(OTHER, notices[4].notice_id) is None


async def test_quarantine_comes_oldest_first(history: History) -> None:
    kept = [a_quarantined(quarantine_id=f"qtn_{n}", at=NOW - n * SECOND) for n in range(5)]
    await history.store(archived(*kept))

    async def ask(after: str | None) -> Page:
        return await history.quarantined(after=after, limit=2)

    assert [row.quarantined for row in await all_pages(ask, 2)] == kept[::-1]


async def test_quarantine_keeps_whatever_the_log_took(history: History) -> None:
    large = replace(a_quarantined(), raw_base64="A" * (RECORD_BYTES_MAX - 1_000))

    await history.store(archived(large))

    row = await history.quarantine_row(large.quarantine_id)
    assert row is not None
    assert row.quarantined == large


@pytest.mark.parametrize("cursor", ["", "x", "é", "=", "W10", "WyJldmVudHMiXQ", "A" * 2_000, "e30"])
async def test_a_cursor_that_no_list_gave_is_malformed(history: History, cursor: str) -> None:
    asks: list[Awaitable[Page]] = [
        history.events(MERCHANT, after=cursor, types=(), limit=1),
        history.invoices(MERCHANT, status=None, invoice_number=None, after=cursor, limit=1),
        history.deliveries(MERCHANT, **NO_FILTER, after=cursor, limit=1),
        history.unmatched(MERCHANT, after=cursor, limit=1),
        history.quarantined(after=cursor, limit=1),
    ]
    for ask in asks:
        with pytest.raises(Malformed, match="cursor"):
            await ask


async def test_the_cursor_of_one_list_is_malformed_for_another(history: History) -> None:
    await history.store(archived(an_invoice_changed(notifications=(a_notification(),))))
    _, cursor = await history.events(MERCHANT, after=None, types=(), limit=1)

    with pytest.raises(Malformed, match="cursor"):
        await history.unmatched(MERCHANT, after=cursor, limit=1)
