"""What is particular to history on SQLite: its file, its failures and its counters."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from connectors.history import threads
from connectors.history.sqlite import SqliteHistory
from connectors.log.gate import Gate
from streams.domain.delivery import DeliveryStatus
from streams.domain.errors import CorruptState, Unavailable
from streams.happenings import (
    HistoryMessage,
    NoticeRepeated,
    Quarantined,
)
from streams.ports import Archived
from tests.builders import (
    MERCHANT,
    NOW,
    a_delivery,
    a_notice,
    a_notification,
    an_attempt,
    an_invoice_terms,
)
from tests.full_disks import a_full_disk
from tests.history_engines import TEST_SECONDS_MAX, archived
from tests.message_builders import (
    a_deliveries_started,
    a_delivery_attempted,
    a_notice_accepted,
    a_notice_held,
    a_quarantined,
    an_invoice_changed,
)

# In the order of the fields of `Counts`.
RECOUNT = """SELECT
    (SELECT count(*) FROM notices WHERE heard AND state != 'noted'),
    (SELECT count(*) FROM notices WHERE state = 'matched'),
    (SELECT count(*) FROM notices WHERE state = 'unmatched'),
    (SELECT count(*) FROM notices WHERE state = 'quarantined'),
    (SELECT count(*) FROM notices WHERE state = 'accepted'),
    (SELECT count(*) FROM repeats),
    (SELECT count(*) FROM notices WHERE state = 'noted'),
    (SELECT count(*) FROM deliveries WHERE started),
    (SELECT count(*) FROM deliveries WHERE status = 'delivered'),
    (SELECT count(*) FROM deliveries WHERE status = 'pending'),
    (SELECT count(*) FROM deliveries WHERE status = 'retrying'),
    (SELECT count(*) FROM deliveries WHERE status = 'failed'),
    (SELECT count(*) FROM deliveries WHERE status = 'superseded'),
    (SELECT count(*) FROM events)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
async def history(path: Path) -> AsyncIterator[SqliteHistory]:
    opened = SqliteHistory(path, busy_ms=1)
    async with asyncio.timeout(TEST_SECONDS_MAX):
        yield opened
    await opened.close()


@contextmanager
def a_lock_by_someone_who_ignores_the_gate(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.close()


def random_messages(chance: random.Random, first_offset: int) -> list[Archived]:
    names = [f"n{n}" for n in range(6)]
    notice = a_notice(name=chance.choice(names))
    delivery = a_delivery(notification=a_notification(cause=chance.choice(names)))
    said: list[HistoryMessage | Quarantined] = [
        a_notice_accepted(notice=notice, about_money=chance.random() < 0.7),
        a_notice_held(notice=notice),
        an_invoice_changed(notice=notice, notifications=(a_notification(cause=notice.notice_id),)),
        a_quarantined(quarantine_id=chance.choice(names), notice=chance.choice([notice, None])),
        NoticeRepeated(merchant_id=MERCHANT, notice_id=notice.notice_id, at=NOW),
        a_deliveries_started(deliveries=(delivery,)),
        a_delivery_attempted(
            delivery=delivery,
            status=chance.choice(list(DeliveryStatus)),
            attempt=an_attempt(number=chance.randint(1, 3)),
            number_of_round=chance.randint(0, 1),
        ),
    ]
    return archived(*chance.sample(said, 3), first_offset=first_offset)


@pytest.mark.parametrize("seed", range(5))
async def test_the_counters_are_what_counting_the_rows_gives(
    history: SqliteHistory, path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  # no secret
    connection = sqlite3.connect(path)
    for step in range(30):
        await history.store(random_messages(chance, step * 3))
        if step % 10 == 9:
            await history.mark_retried("n1", NOW)
            await history.expire(NOW.replace(year=2027))

        *kept, _, _ = astuple(await history.counts())  # the last two are counted each time

        assert tuple(kept) == connection.execute(RECOUNT).fetchone()
    connection.close()


async def test_a_locked_file_is_unavailable_and_works_again_afterwards(
    history: SqliteHistory, path: Path
) -> None:
    batch = archived(a_notice_accepted(), an_invoice_changed(notice=a_notice()))

    with a_lock_by_someone_who_ignores_the_gate(path):
        with pytest.raises(Unavailable, match="locked"):
            await history.store(batch)
        assert (await history.counts()).accepted == 0

    await history.store(batch)
    assert (await history.counts()).matched == 1


async def test_a_full_disk_is_unavailable_and_keeps_no_half_of_a_batch(
    history: SqliteHistory,
) -> None:
    told = [a_notification(cause=f"c{n}", body="x" * 4_000) for n in range(200)]
    batch = archived(*(an_invoice_changed(notifications=(each,)) for each in told))

    with a_full_disk(400_000), pytest.raises(Unavailable):
        await history.store(batch)

    assert (await history.counts()).events == 0
    assert await history.archived_to("history", 0) == (0, None)
    await history.store(batch)
    assert (await history.counts()).events == 200


async def test_our_own_bug_is_not_called_an_outage_and_keeps_no_half_of_a_batch(
    history: SqliteHistory,
) -> None:
    # A lone surrogate cannot be written; nothing that came through the edge has one.
    wrong = replace(an_invoice_changed(), request_id="\ud800")

    with pytest.raises(UnicodeEncodeError):
        await history.store(archived(a_notice_accepted(), wrong))

    assert (await history.counts()).accepted == 0
    await history.store(archived(a_notice_accepted()))
    assert (await history.counts()).accepted == 1


async def test_a_log_that_began_anew_under_the_history_is_noticed(history: SqliteHistory) -> None:
    before, anew = (a_notification(cause=cause) for cause in ("before", "anew"))
    await history.store(archived(an_invoice_changed(notifications=(before,))))

    with pytest.raises(CorruptState, match="belongs to another log"):
        await history.store(archived(an_invoice_changed(notifications=(anew,))))


async def test_writes_that_queue_up_are_bounded(
    history: SqliteHistory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "WRITES_WAITING_MAX", 2)
    gate = Gate(path.with_name(path.name + ".gate"))
    with gate.held():
        writes = [asyncio.create_task(history.mark_retried("q", NOW)) for _ in range(3)]
        await asyncio.sleep(0)

        with pytest.raises(Unavailable, match="2 writes wait already"):
            await history.mark_retried("q", NOW)

    await asyncio.gather(*writes)
    gate.close()


async def test_a_write_that_takes_too_long_is_unavailable_and_the_next_try_finds_it(
    history: SqliteHistory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = an_invoice_terms()
    gate = Gate(path.with_name(path.name + ".gate"))
    with gate.held(), monkeypatch.context() as patched:
        patched.setattr(threads, "WRITE_SECONDS_MAX", 0.01)
        with pytest.raises(Unavailable, match=r"no write in 0\.01 s"):
            await history.register_invoice(terms, content="c", shown='{"first": 1}')

    row = await history.register_invoice(terms, content="c", shown='{"second": 2}')

    assert row.shown == '{"first": 1}'
    gate.close()


async def test_a_caller_who_gives_up_does_not_disturb_the_others(history: SqliteHistory) -> None:
    first, second = an_invoice_terms(invoice_number="A"), an_invoice_terms(invoice_number="B")
    tasks = [
        asyncio.create_task(history.register_invoice(terms, content="c", shown="{}"))
        for terms in (first, second)
    ]
    await asyncio.sleep(0)

    tasks[0].cancel()

    assert (await tasks[1]).invoice_id == second.invoice_id


async def test_a_closed_history_is_unavailable_and_has_written_what_was_queued(
    path: Path,
) -> None:
    closed = SqliteHistory(path)
    writing = asyncio.create_task(closed.store(archived(a_notice_accepted())))
    await asyncio.sleep(0)

    await closed.close()

    await writing
    with pytest.raises(Unavailable, match="closed"):
        await closed.counts()
    with pytest.raises(Unavailable, match="closed"):
        await closed.store(archived(a_notice_accepted()))
    reopened = SqliteHistory(path)
    assert (await reopened.counts()).accepted == 1
    await reopened.close()


async def test_a_row_that_cannot_be_read_back_is_our_fault(
    history: SqliteHistory, path: Path
) -> None:
    accepted = a_notice_accepted()
    await history.store(archived(accepted))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE raw_notices SET message = '{}'")
    connection.close()

    with pytest.raises(CorruptState, match="unreadable NoticeAccepted"):
        await history.raw_notice(accepted.notice_id)
