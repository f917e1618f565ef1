"""What every engine of history owes a merchant who acknowledges: in any order, and said twice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from streams.domain.acknowledging import AcknowledgedBy, Acknowledgement
from streams.domain.delivery import Delivery, DeliveryStatus
from streams.domain.ids import EndpointId, MerchantId
from streams.happenings import AcknowledgementTaken, DeliveryAttempted
from streams.ports import History
from tests.builders import ENDPOINT, MERCHANT, NOW, an_attempt
from tests.contract.test_history_contract_sequences import numbered, started
from tests.history_engines import archived
from tests.message_builders import a_delivery_attempted, an_acknowledgement_taken

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
LATER = NOW + 30 * DAY
OTHER = EndpointId("ep_other")
RELEASED = NOW - SECOND
BY_CALL = Acknowledgement(at=NOW + SECOND, by=AcknowledgedBy.CALL, released_at=RELEASED)


def answered(
    delivery: Delivery,
    *,
    released_at: datetime | None = None,
    number_of_round: int = 0,
    at: datetime = NOW,
) -> DeliveryAttempted:
    """2xx, of an endpoint that has to acknowledge."""
    return a_delivery_attempted(
        delivery=delivery,
        status=DeliveryStatus.DELIVERED,
        attempt=an_attempt(at=at, released_at=released_at),
        at=at,
        number_of_round=number_of_round,
        says_all=True,
        is_unacknowledged=released_at is None,
    )


def called(delivery: Delivery, *, endpoint: EndpointId | None = None) -> AcknowledgementTaken:
    return an_acknowledgement_taken(
        delivery=delivery,
        endpoint=endpoint,
        asking=(ENDPOINT, OTHER),
        at=BY_CALL.at,
        released_at=BY_CALL.released_at,
    )


async def waiting(
    history: History,
    *,
    before: datetime = LATER,
    endpoint: EndpointId = ENDPOINT,
    merchant: MerchantId = MERCHANT,
) -> Sequence[int]:
    rows, cursor = await history.unacknowledged(
        merchant, endpoint, before=before, after=None, limit=50
    )
    assert cursor is None
    return [row.sequence for row in rows]


async def acknowledged(history: History, delivery: Delivery) -> Acknowledgement | None:
    """As the delivery shows it; asked for by its event it is the same."""
    row = await history.delivery(MERCHANT, delivery.delivery_id)
    assert row is not None
    asked = await history.acknowledgement(delivery.notification_id, delivery.endpoint_id)
    assert asked == row.acknowledged
    return asked


async def test_what_nobody_acknowledged_is_listed_the_earliest_made_first(
    history: History,
) -> None:
    deliveries = [numbered(n) for n in (3, 1, 2)]
    elsewhere = numbered(4, endpoint=OTHER)
    await history.store(archived(started(*deliveries, elsewhere)))
    said = [answered(delivery) for delivery in (*deliveries, elsewhere)]
    await history.store(archived(*said, first_offset=1))

    assert await waiting(history) == [1, 2, 3]
    assert await waiting(history, endpoint=OTHER) == [4]
    assert await waiting(history, merchant=MerchantId("mer_other")) == []
    assert await acknowledged(history, deliveries[0]) is None
    assert await history.acknowledgement(deliveries[0].notification_id, None) is None


async def test_only_what_waits_for_long_enough_is_listed(history: History) -> None:
    first, second = numbered(1), numbered(2)
    again = answered(first, number_of_round=1, at=NOW + DAY)
    second_at = answered(second, at=NOW + SECOND)
    await history.store(archived(started(first, second), answered(first), second_at, again))

    assert await waiting(history, before=NOW) == []
    assert await waiting(history, before=NOW + SECOND) == [1]
    assert await waiting(history, before=NOW + 2 * SECOND) == [1, 2]


async def test_the_list_comes_in_pages(history: History) -> None:
    deliveries = [numbered(n) for n in range(1, 6)]
    await history.store(archived(started(*deliveries), *[answered(one) for one in deliveries]))
    found, after = [], None
    for _ in range(3):
        rows, after = await history.unacknowledged(
            MERCHANT, ENDPOINT, before=LATER, after=after, limit=2
        )
        found.append([row.sequence for row in rows])

    assert (found, after) == ([[1, 2], [3, 4], [5]], None)


async def test_a_call_acknowledges_for_one_endpoint_or_for_all(history: History) -> None:
    mine, theirs = numbered(1), numbered(1, endpoint=OTHER)
    await history.store(archived(started(mine, theirs), answered(mine), answered(theirs)))
    await history.store(archived(called(mine, endpoint=OTHER), first_offset=5))

    assert await acknowledged(history, mine) is None
    assert await acknowledged(history, theirs) == BY_CALL
    assert (await waiting(history), await waiting(history, endpoint=OTHER)) == ([1], [])

    await history.store(archived(called(mine), first_offset=10))

    assert await acknowledged(history, mine) == BY_CALL
    assert await waiting(history) == []
    assert await history.acknowledgement(mine.notification_id, None) == BY_CALL


async def test_an_answer_acknowledges_for_its_endpoint(history: History) -> None:
    one, again = numbered(1), numbered(2)
    await history.store(archived(started(one, again), answered(again)))
    released = [
        answered(one, released_at=RELEASED),
        answered(again, released_at=RELEASED, number_of_round=1),
    ]
    await history.store(archived(*released, called(one), first_offset=5))

    # The call came later, and changes nothing any more.
    by_answer = Acknowledgement(at=NOW, by=AcknowledgedBy.ANSWER, released_at=RELEASED)
    assert await acknowledged(history, one) == by_answer
    assert await acknowledged(history, again) == by_answer
    assert await waiting(history) == []


@pytest.mark.parametrize("seed", range(2))
async def test_order_and_repeats_change_nothing(history: History, seed: int) -> None:
    one, two, three = numbered(1), numbered(2), numbered(3)
    said = archived(
        started(one, two, three),
        answered(one),
        called(one),
        answered(two),
        answered(two, released_at=RELEASED, number_of_round=1),
        answered(three),
        answered(three, number_of_round=1),
    )
    chance = random.Random(seed)  # noqa: S311  # a test wants chance that can be repeated
    shuffled = chance.sample([*said, *said], k=2 * len(said))

    for place in range(0, len(shuffled), 3):
        await history.store(shuffled[place : place + 3])

    assert await waiting(history) == [3]
    assert await acknowledged(history, one) == BY_CALL
    found = await acknowledged(history, two)
    assert found is not None
    assert found.by is AcknowledgedBy.ANSWER
