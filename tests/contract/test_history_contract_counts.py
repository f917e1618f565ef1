"""What every engine of history owes an audit: the figures of all, or of what changed of late."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from streams.clock import system_clock
from streams.counts import Counts
from streams.domain.delivery import DeliveryStatus
from streams.domain.notification import NotificationType
from streams.happenings import NoticeRepeated
from streams.ports import Archived, History
from tests.builders import MERCHANT, NOW, a_delivery, a_notice, a_notification, an_attempt
from tests.history_engines import archived
from tests.message_builders import (
    a_deliveries_started,
    a_delivery_attempted,
    a_notice_accepted,
    a_notice_held,
    a_quarantined,
    an_invoice_changed,
)

EARLY, MOMENT = NOW - timedelta(days=3), timedelta(microseconds=1)
LENGTH = 20


def a_notice_of_each_outcome(name: str, *, early: bool, first_offset: int) -> list[Archived]:
    """Four notices, a repeat, an event, two deliveries: all at one time, and recorded then."""
    at = EARLY if early else NOW
    matched, held, kept, late = (a_notice(name=f"{name} {number}") for number in range(4))
    told = a_notification(cause=name, at=at)
    delivery = a_delivery(notification=told, created_at=at)
    waits = a_delivery(notification=a_notification(cause=f"{name} other", at=at), created_at=at)
    said = archived(
        *(a_notice_accepted(notice=each, received_at=at) for each in (matched, held, kept, late)),
        an_invoice_changed(notice=matched, at=at, notifications=(told,)),
        a_notice_held(notice=held, received_at=at, decided_at=at),
        NoticeRepeated(merchant_id=MERCHANT, notice_id=matched.notice_id, at=at),
        a_deliveries_started(deliveries=(delivery, waits)),
        a_delivery_attempted(
            delivery=delivery, status=DeliveryStatus.DELIVERED, attempt=an_attempt(), at=at
        ),
        first_offset=first_offset,
        recorded_at=at,
    )
    aside = a_quarantined(quarantine_id=f"qtn_{name}", notice=kept, at=at)
    return [*said, *archived(aside, first_offset=first_offset, recorded_at=at)]


async def test_what_changed_of_late_is_counted_alone_and_adds_up(history: History) -> None:
    await history.store(a_notice_of_each_outcome("early", early=True, first_offset=0))
    of_early = await history.counts()
    await history.store(a_notice_of_each_outcome("late", early=False, first_offset=LENGTH))

    of_late = await history.counts(since=NOW - timedelta(days=1))

    assert of_late == of_early
    assert (of_late.accepted, of_late.repeated, of_late.notified) == (4, 1, 2)
    assert of_late.accepted == of_late.matched + of_late.unmatched + of_late.quarantined + 1
    assert of_late.events >= 1


async def test_everything_is_counted_since_the_beginning_and_nothing_since_the_end(
    history: History,
) -> None:
    await history.store(a_notice_of_each_outcome("early", early=True, first_offset=0))
    await history.store(a_notice_of_each_outcome("late", early=False, first_offset=LENGTH))

    assert await history.counts(since=EARLY) == await history.counts()
    after = NOW + timedelta(days=1)
    assert set(asdict(await history.counts(since=after)).values()) == {0}


async def test_a_notice_counts_when_it_changed_last(history: History) -> None:
    notice = a_notice()
    await history.store(archived(a_notice_accepted(notice=notice, received_at=EARLY)))
    assert (await history.counts(since=NOW)).accepted == 0

    await history.store(archived(an_invoice_changed(notice=notice, at=NOW), first_offset=1))

    counted = await history.counts(since=NOW)
    assert (counted.accepted, counted.matched, counted.in_flight) == (1, 1, 0)
    assert (await history.counts(since=NOW + MOMENT)).accepted == 0


async def test_nothing_at_all_adds_up(history: History) -> None:
    assert await history.counts() == Counts(**dict.fromkeys(asdict(await history.counts()), 0))


async def test_a_notice_that_was_matched_without_an_event_is_one_too_few(history: History) -> None:
    now = system_clock()
    told, silent = a_notice(name="told"), a_notice(name="silent")
    await history.store(archived(an_invoice_changed(notice=silent, at=now), recorded_at=now))
    counted = await history.counts()
    assert (counted.matched, counted.told, counted.untold) == (1, 0, 0)

    event = a_notification(cause="told", kind=NotificationType.PAYMENT_CONFIRMED, at=now)
    paid = a_notification(cause="told", kind=NotificationType.INVOICE_PAID, at=now)
    later = now + timedelta(seconds=1)
    change = an_invoice_changed(notice=told, at=later, notifications=(event, paid))
    await history.store(archived(change, first_offset=1, recorded_at=now))

    for since in (None, now):
        counted = await history.counts(since)
        assert (counted.matched, counted.told, counted.untold) == (2, 1, 0)


async def test_what_was_settled_right_before_its_event_was_recorded_is_told(
    history: History,
) -> None:
    event = a_notification(kind=NotificationType.PAYMENT_CONFIRMED)
    change = an_invoice_changed(notice=a_notice(), at=NOW + MOMENT, notifications=(event,))
    await history.store(archived(change, recorded_at=NOW))

    counted = await history.counts(since=NOW + MOMENT)

    assert (counted.matched, counted.told, counted.untold) == (1, 1, 0)
