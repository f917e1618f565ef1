"""What every engine of history owes those who ask by number: no number is lost or changed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from streams.domain.delivery import Delivery, DeliveryStatus
from streams.domain.ids import EndpointId, MerchantId
from streams.happenings import DeliveriesStarted, DeliveryAttempted, HistoryMessage
from streams.ports import Archived, History
from streams.sequences import SequenceRow
from tests.builders import ENDPOINT, MERCHANT, NOW, a_delivery, a_notification, an_attempt
from tests.history_engines import archived
from tests.message_builders import a_deliveries_started, a_delivery_attempted

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
PENDING, RETRYING = DeliveryStatus.PENDING, DeliveryStatus.RETRYING
DELIVERED, FAILED = DeliveryStatus.DELIVERED, DeliveryStatus.FAILED
SUPERSEDED = DeliveryStatus.SUPERSEDED
A_STRETCH = 65_536


def numbered(sequence: int, **changes: Any) -> Delivery:
    """The delivery with this number; each tells of another notification, a second later."""
    return a_delivery(
        notification=a_notification(cause=f"c{sequence}"),
        created_at=NOW + sequence % 1_000 * SECOND,
        sequence=sequence,
        **changes,
    )


def started(*deliveries: Delivery) -> DeliveriesStarted:
    return a_deliveries_started(deliveries=deliveries)


def became(
    delivery: Delivery, status: DeliveryStatus, *, number: int = 1, number_of_round: int = 0
) -> DeliveryAttempted:
    """After an attempt, or after an end without one where that is what the status says."""
    return a_delivery_attempted(
        delivery=delivery,
        status=status,
        attempt=None if status in {FAILED, SUPERSEDED} else an_attempt(number=number),
        number_of_round=number_of_round,
        says_all=True,
    )


def row_of(delivery: Delivery, status: DeliveryStatus = PENDING) -> SequenceRow:
    return SequenceRow(
        sequence=delivery.sequence,
        delivery_id=delivery.delivery_id,
        event_id=delivery.notification_id,
        event_type=delivery.notification_type,
        created_at=delivery.created_at,
        status=status,
    )


async def ask(
    history: History,
    first: int = 1,
    last: int = 10 * A_STRETCH,
    *,
    merchant: MerchantId = MERCHANT,
    endpoint: EndpointId = ENDPOINT,
    limit: int = 100,
) -> Sequence[SequenceRow]:
    return await history.sequence_range(merchant, endpoint, first=first, last=last, limit=limit)


async def known_number(history: History, delivery: Delivery) -> int:
    row = await history.delivery(MERCHANT, delivery.delivery_id)
    assert row is not None
    return row.sequence


async def test_the_deliveries_of_an_endpoint_are_found_by_their_numbers(history: History) -> None:
    deliveries = [numbered(sequence) for sequence in (5, 1, 2, 4)]
    elsewhere = numbered(3, endpoint=EndpointId("ep_other"))
    await history.store(
        archived(started(*deliveries, elsewhere), became(deliveries[0], RETRYING, number=2))
    )

    five, one, two, four = deliveries
    assert await ask(history) == [row_of(one), row_of(two), row_of(four), row_of(five, RETRYING)]
    assert await ask(history, 2, 4) == [row_of(two), row_of(four)]
    assert await ask(history, 2, limit=1) == [row_of(two)]
    assert await ask(history, 6) == []
    assert await ask(history, endpoint=EndpointId("ep_other")) == [row_of(elsewhere)]
    assert await ask(history, merchant=MerchantId("mer_other")) == []
    assert await known_number(history, four) == 4


async def test_the_last_number_is_the_greatest_that_was_heard_of(history: History) -> None:
    assert await history.last_sequence(MERCHANT, ENDPOINT) == 0

    await history.store(archived(started(numbered(7), numbered(3))))
    await history.store(archived(became(numbered(8), DELIVERED)))

    assert await history.last_sequence(MERCHANT, ENDPOINT) == 8
    assert await history.last_sequence(MERCHANT, EndpointId("ep_other")) == 0
    assert await history.last_sequence(MerchantId("mer_other"), ENDPOINT) == 0


async def test_a_number_whose_event_is_not_known_is_passed_over(history: History) -> None:
    await history.store(archived(became(numbered(2), DELIVERED)))
    await history.store(archived(started(numbered(1), numbered(3), numbered(4))))

    assert [row.sequence for row in await ask(history)] == [1, 3, 4]
    assert [row.sequence for row in await ask(history, 2, limit=1)] == [3]


async def test_numbers_go_on_behind_many_others(history: History) -> None:
    sequences = [1, *(A_STRETCH - 1 + n for n in range(4)), 3 * A_STRETCH, 5 * A_STRETCH + 1]
    await history.store(archived(started(*map(numbered, sequences))))

    assert [row.sequence for row in await ask(history)] == sequences
    assert [row.sequence for row in await ask(history, 2, limit=3)] == sequences[1:4]
    assert [row.sequence for row in await ask(history, A_STRETCH + 1, 4 * A_STRETCH)] == (
        sequences[3:6]
    )
    assert await history.last_sequence(MERCHANT, ENDPOINT) == sequences[-1]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("is_late", [True, False])
async def test_a_number_that_is_not_known_takes_no_known_one_away(
    history: History, *, together: bool, is_late: bool
) -> None:
    delivery = numbered(9)
    unknown = replace(delivery, sequence=0)
    starts = (unknown, delivery) if is_late else (delivery, unknown)
    batch = archived(*map(started, starts), became(unknown, RETRYING, number=3))
    for part in [batch] if together else [[each] for each in batch]:
        await history.store(part)

    assert await ask(history) == [row_of(delivery, RETRYING)]
    assert await known_number(history, delivery) == 9


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_number_that_only_an_attempt_says_is_known(
    history: History, *, is_late: bool
) -> None:
    delivery = numbered(4)
    said: list[HistoryMessage] = [
        started(replace(delivery, sequence=0)),
        became(delivery, DELIVERED),
    ]
    for message in archived(*(said[::-1] if is_late else said)):
        await history.store([message])

    assert await ask(history) == [row_of(delivery, DELIVERED)]
    assert await known_number(history, delivery) == 4


def a_busy_hour() -> tuple[list[Archived], list[SequenceRow]]:
    """What was said of six deliveries, and how they stand after it."""
    one, two, three, four, five, six = (numbered(sequence) for sequence in range(1, 7))
    again = replace(five, round=1)
    said = archived(
        started(one, two, three),
        started(four, five, six),
        became(one, DELIVERED),
        became(two, RETRYING),
        became(two, RETRYING, number=2),
        became(three, RETRYING),
        became(three, SUPERSEDED),
        became(four, FAILED),
        became(five, DELIVERED),
        started(again),
        became(again, RETRYING, number_of_round=1),
        became(six, SUPERSEDED),
        became(six, DELIVERED, number=2),  # it was under way when the other took its place
    )
    stand = [DELIVERED, RETRYING, SUPERSEDED, FAILED, RETRYING, DELIVERED]
    return said, [
        row_of(delivery, status)
        for delivery, status in zip((one, two, three, four, five, six), stand, strict=True)
    ]


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_and_any_repeat_give_the_same_rows(history: History, seed: int) -> None:
    said, rows = a_busy_hour()
    shuffled = [*said, *said]
    random.Random(seed).shuffle(shuffled)  # noqa: S311  # no secret

    for start in range(0, len(shuffled), 3):
        await history.store(shuffled[start : start + 3])

    assert await ask(history) == rows
    for row in rows:
        delivery = await history.delivery(MERCHANT, row.delivery_id)
        assert delivery is not None
        assert (delivery.status, delivery.sequence) == (row.status, row.sequence)


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_of_two_ends_without_an_attempt_the_same_one_always_holds(
    history: History, *, is_reversed: bool
) -> None:
    delivery = numbered(1)
    said = [became(delivery, SUPERSEDED), became(delivery, FAILED)]
    for message in archived(started(delivery), *(said[::-1] if is_reversed else said)):
        await history.store([message])

    assert await ask(history) == [row_of(delivery, FAILED)]


async def test_what_was_superseded_is_listed_and_counted(history: History) -> None:
    deliveries = [numbered(sequence) for sequence in (1, 2)]
    await history.store(archived(started(*deliveries), became(deliveries[0], SUPERSEDED)))

    rows, _ = await history.deliveries(
        MERCHANT, endpoint_id=None, event_id=None, status=SUPERSEDED, after=None, limit=9
    )
    counts = await history.counts()

    assert [(row.sequence, row.next_attempt_at) for row in rows] == [(1, None)]
    assert (counts.notified, counts.superseded, counts.pending) == (2, 1, 1)


async def test_what_was_superseded_expires_as_what_is_finished_does(history: History) -> None:
    delivery = numbered(1)
    await history.store(archived(started(delivery), became(delivery, SUPERSEDED)))

    await history.expire(NOW + 365 * DAY)

    assert (await history.counts()).superseded == 0
