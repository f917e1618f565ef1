"""What every engine of history owes its users: projections, states and the figures of the laws."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from streams.counts import Counts
from streams.domain.invoice import InvoiceStatus
from streams.happenings import NoticeRepeated
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
from tests.history_engines import Engine, an_open_history, archived, whole_feed
from tests.message_builders import (
    a_deliveries_started,
    a_delivery_attempted,
    a_notice_accepted,
    a_notice_held,
    a_quarantined,
    an_invoice_changed,
)

SECOND = timedelta(seconds=1)


def a_day() -> list[Archived]:
    """Notices that were matched, held and quarantined, with a repeat and two deliveries."""
    matched, held, kept = a_notice(name="matched"), a_notice(name="held"), a_notice(name="kept")
    told = a_notification(cause="matched")
    delivery, other = a_delivery(notification=told), a_delivery(notification=a_notification())
    said = archived(
        a_notice_accepted(notice=matched),
        a_notice_accepted(notice=held),
        a_notice_accepted(notice=kept),
        a_notice_accepted(notice=a_notice(name="on its way")),
        a_notice_accepted(notice=a_notice(name="a number"), about_money=False),
        a_notice_held(notice=held),
        an_invoice_changed(notice=matched, notifications=(told,), request_id="req_1"),
        NoticeRepeated(merchant_id=MERCHANT, notice_id=matched.notice_id, at=NOW),
        NoticeRepeated(merchant_id=MERCHANT, notice_id=matched.notice_id, at=NOW),
        a_deliveries_started(deliveries=(delivery, other)),
        a_delivery_attempted(delivery=delivery, attempt=an_attempt()),
    )
    put_aside = archived(a_quarantined(notice=kept), a_quarantined(quarantine_id="qtn_edge"))
    return [*said, *put_aside]


A_DAY = Counts(
    accepted=5,
    matched=1,
    unmatched=1,
    quarantined=2,
    in_flight=1,
    repeated=2,
    noted=1,
    notified=2,
    delivered=1,
    pending=1,
    retrying=0,
    failed=0,
    superseded=0,
    events=2,
    told=1,
    untold=0,
)


async def everything(history: History) -> tuple[object, ...]:
    """All that a reader can see of a day."""
    unmatched = await history.unmatched(MERCHANT, after=None, limit=50)
    deliveries = await history.deliveries(
        MERCHANT, endpoint_id=None, event_id=None, status=None, after=None, limit=50
    )
    invoices = await history.invoices(
        MERCHANT, status=None, invoice_number=None, after=None, limit=50
    )
    quarantined = await history.quarantined(after=None, limit=50)
    feed = await whole_feed(history)
    reached = [await history.archived_to(topic, 0) for topic in ("history", "quarantine")]
    return (await history.counts(), unmatched, deliveries, invoices, quarantined, feed, reached)


async def test_the_figures_add_up_over_distinct_notices(history: History) -> None:
    await history.store(a_day())

    counts = await history.counts()

    # How far the feed reaches back each engine tells by what it has: to the oldest event, or all.
    assert counts.untold <= counts.matched
    assert replace(counts, untold=A_DAY.untold) == A_DAY
    ended = counts.matched + counts.unmatched + counts.quarantined
    assert counts.accepted == ended + counts.in_flight


async def test_an_outcome_of_what_was_never_accepted_makes_the_sum_differ(
    history: History,
) -> None:
    await history.store(archived(an_invoice_changed(notice=a_notice())))

    counts = await history.counts()

    assert (counts.accepted, counts.matched) == (0, 1)


async def test_the_same_batch_again_changes_nothing(history: History) -> None:
    await history.store(a_day())
    before = await everything(history)

    await history.store(a_day())

    assert await everything(history) == before


@pytest.mark.parametrize("seed", range(8))
async def test_any_order_across_batches_gives_the_same_rows(
    history: History, engine: Engine, tmp_path: Path, seed: int
) -> None:
    shuffled = [*a_day(), *a_day()]
    random.Random(seed).shuffle(shuffled)  # noqa: S311  # no secret

    await history.store(a_day())
    async with an_open_history(engine(tmp_path / "other")) as other:
        for start in range(0, len(shuffled), 3):
            await other.store(shuffled[start : start + 3])

        assert await everything(other) == await everything(history)


@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("outcome", ["matched", "unmatched", "quarantined"])
async def test_an_outcome_holds_whether_the_notice_is_stored_before_or_after(
    history: History, outcome: str, *, is_late: bool
) -> None:
    messages = {
        "matched": archived(an_invoice_changed(notice=a_notice()), first_offset=1),
        "unmatched": archived(a_notice_held(), first_offset=1),
        "quarantined": archived(a_quarantined(notice=a_notice())),
    }
    batches = [archived(a_notice_accepted()), messages[outcome]]

    for batch in reversed(batches) if is_late else batches:
        await history.store(batch)

    counts = asdict(await history.counts())
    assert (counts["accepted"], counts[outcome], counts["in_flight"]) == (1, 1, 0)


async def test_matched_wins_over_quarantined_in_either_order(history: History) -> None:
    first, second = a_notice(name="first"), a_notice(name="second")
    aside = [a_quarantined(quarantine_id=f"qtn_{n.notice_id}", notice=n) for n in (first, second)]

    await history.store(archived(an_invoice_changed(notice=first), aside[0]))
    await history.store(archived(aside[1], an_invoice_changed(notice=second)))

    counts = await history.counts()
    assert (counts.matched, counts.quarantined) == (2, 0)


@pytest.mark.parametrize("held_first", [True, False])
async def test_of_waiting_and_quarantined_the_later_decision_holds(
    history: History, *, held_first: bool
) -> None:
    later = NOW + SECOND
    held = a_notice_held(decided_at=NOW if held_first else later)
    aside = a_quarantined(notice=a_notice(), at=later if held_first else NOW)

    await history.store(archived(held, aside))
    await history.store(archived(aside, held))

    counts = await history.counts()
    assert (counts.quarantined, counts.unmatched) == ((1, 0) if held_first else (0, 1))


async def test_an_older_version_of_an_invoice_changes_nothing(history: History) -> None:
    terms = an_invoice_terms()
    newer = an_invoice_changed(terms=terms, version=3, status=InvoiceStatus.PAID)
    older = an_invoice_changed(terms=terms, version=2, status=InvoiceStatus.PART_PAID)

    for message in (newer, older):
        await history.store(archived(message))

    row = await history.invoice(MERCHANT, terms.invoice_id)
    assert row is not None
    assert (row.version, row.status, row.shown) == (3, InvoiceStatus.PAID, newer.shown)


async def test_what_a_command_came_to_is_found_by_its_request(history: History) -> None:
    done = an_invoice_changed(request_id="req_done")
    refused = an_invoice_changed(request_id="req_refused", refused="paid")

    await history.store(archived(done, refused))

    assert await history.command("req_done") == ""
    assert await history.command("req_refused") == "paid"
    assert await history.command("req_unknown") is None


async def test_a_partition_is_archived_up_to_its_furthest_record_and_never_back(
    history: History,
) -> None:
    await history.store(archived(a_notice_accepted(), a_notice_held(), first_offset=8))
    await history.store(archived(a_notice_accepted(), first_offset=3, recorded_at=NOW + 9 * SECOND))

    assert await history.archived_to("history", 0) == (10, NOW + SECOND)
    assert await history.archived_to("history", 1) == (0, None)


async def test_a_raw_notice_comes_back_byte_for_byte(history: History) -> None:
    accepted = a_notice_accepted(raw="金額\x00\xff".encode("utf-16"))

    await history.store(archived(accepted))

    assert await history.raw_notice(accepted.notice_id) == accepted
    assert await history.has_notice(accepted.notice_id)
    assert not await history.has_notice(a_notice(name="other").notice_id)
    assert await history.raw_notice(a_notice(name="other").notice_id) is None


async def test_a_retry_is_remembered_when_the_message_comes_again(history: History) -> None:
    quarantined = a_quarantined()
    await history.store(archived(quarantined))

    await history.mark_retried(quarantined.quarantine_id, NOW + SECOND)
    await history.store(archived(quarantined))

    row = await history.quarantine_row(quarantined.quarantine_id)
    assert row is not None
    assert (row.quarantined, row.retried_at) == (quarantined, NOW + SECOND)
    assert await history.quarantine_row("qtn_unknown") is None


async def test_what_is_old_and_finished_expires_and_what_waits_stays(history: History) -> None:
    later = NOW + timedelta(days=400)
    await history.register_invoice(an_invoice_terms(), content="c", shown="{}")
    await history.store(a_day())
    new = an_invoice_changed(version=2, notice=a_notice(name="new"), at=later)
    accepted = a_notice_accepted(notice=a_notice(name="new"), received_at=later)
    await history.store(archived(accepted, new, first_offset=50, recorded_at=later))

    removed = await history.expire(NOW + timedelta(days=30))

    assert removed > 0
    counts = await history.counts()
    assert (counts.matched, counts.noted, counts.delivered) == (1, 0, 0)
    assert (counts.unmatched, counts.quarantined, counts.in_flight) == (1, 2, 1)
    assert (counts.pending, counts.accepted) == (1, 5)
    assert await history.raw_notice(a_notice(name="matched").notice_id) is None
    assert await history.terms_of(an_invoice_terms().invoice_id) is not None
    assert await history.expire(NOW + timedelta(days=30)) == 0


async def test_more_than_one_step_of_old_rows_expires(history: History) -> None:
    count = 1_200
    noted = [
        a_notice_accepted(notice=a_notice(name=f"n{n}"), about_money=False) for n in range(count)
    ]
    await history.store(archived(*noted))

    assert await history.expire(NOW + timedelta(days=1)) >= count
    assert (await history.counts()).noted == 0


async def test_a_day_of_parts_is_all_of_history(history: History) -> None:
    notices = [a_notice(name=f"n{number}") for number in range(100)]
    await history.store(archived(*(an_invoice_changed(notice=each) for each in notices)))

    for part in range(24):
        await history.expire(NOW + timedelta(days=1), part=part, parts=24)

    assert (await history.counts()).matched == 0
