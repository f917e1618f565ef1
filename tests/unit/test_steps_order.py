"""The notifying step: numbers, the order within an invoice, and what a newer state replaces."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import orjson

from agents.notifying import DROPS_PER_STEP_MAX
from streams.domain.delivery import Delivery, DeliveryStatus
from streams.domain.notification import Notification, NotificationType, Told
from streams.domain.sequence import Source
from streams.happenings import DeliveriesStarted, DeliveryAttempted
from streams.messages import DeliveryDropped, DropReason, EndpointRemoved, Notified
from tests.builders import ENDPOINT, MERCHANT, NOW, a_notification, an_attempt, an_endpoint
from tests.notifying_desk import BAD, OTHER, SECOND, Desk, made
from tests.step_builders import said

SUPERSEDING = replace(an_endpoint(), supersede=True)
KINDS = (NotificationType.PAYMENT_CONFIRMED, NotificationType.INVOICE_PAID)


def notified(number: int, *kinds: NotificationType, earlier: int = 0) -> Notified:
    """What the `number`th entry of an invoice's journal told; `earlier` is how many before it."""
    return Notified(
        merchant_id=MERCHANT,
        notifications=tuple(a_word(number, kind) for kind in kinds or KINDS[:1]),
        source=Source(topic="invoices", partition=0, offset=number, at=at(number)),
        earlier=tuple(
            Told(notification_id=a_word(n, kind).notification_id, at=at(n))
            for n in range(number - 1, number - 1 - earlier, -1)
            for kind in reversed(KINDS)
        ),
    )


def at(number: int) -> datetime:
    return NOW + number * SECOND


def a_word(number: int, kind: NotificationType) -> Notification:
    return a_notification(cause=f"n{number}", kind=kind, at=at(number))


def rows(desk: Desk) -> list[Delivery]:
    """What is pending, in the order of its numbers."""
    return sorted(desk.table.rows.values(), key=lambda row: (row.endpoint_id, row.sequence))


def keys(deliveries: list[Delivery]) -> list[tuple[int, int, int]]:
    """The number of each, and of its neighbours in its row; 0 is none."""
    number = {row.key: row.sequence for row in deliveries}
    return [(number.get(row.after, 0), row.sequence, number.get(row.then, 0)) for row in deliveries]


# --- numbers


def test_every_endpoint_has_its_own_numbers_over_what_it_wants() -> None:
    picky = an_endpoint(endpoint=OTHER, types=("invoice.*",))
    desk = Desk(an_endpoint(), picky)

    for number in (1, 2, 3):
        desk.read(notified(number, *KINDS))

    assert [row.sequence for row in rows(desk) if row.endpoint_id == ENDPOINT] == [1, 2, 3, 4, 5, 6]
    mine = [row for row in rows(desk) if row.endpoint_id == OTHER]
    assert [row.sequence for row in mine] == [1, 2, 3]
    assert [row.previous_id for row in mine] == [None, *(row.notification_id for row in mine[:2])]
    body = orjson.loads(mine[1].body)
    assert (body["sequence"], body["previous_id"]) == (2, mine[0].notification_id)


def test_what_is_said_again_at_another_place_is_not_numbered_again() -> None:
    desk = Desk(an_endpoint())
    desk.read(notified(1))
    desk.read(made(an_attempt(), delivery=rows(desk)[0]))

    # Not byte for byte, so that the desk reads it at another place.
    result = desk.read(replace(notified(1), earlier=notified(1, earlier=1).earlier))
    desk.read(notified(2))

    assert (result.records, result.outcome) == ((), "nobody_to_tell")
    assert [row.sequence for row in rows(desk)] == [2]


def test_what_another_record_says_again_does_not_turn_the_counter_back() -> None:
    desk = Desk(an_endpoint())
    desk.read(notified(1))
    desk.read(notified(2))

    desk.read(replace(notified(1), source=notified(3).source))
    desk.read(notified(4))

    assert [row.sequence for row in rows(desk)] == [1, 2, 3]


def test_rows_that_a_crash_left_without_their_counter_keep_their_numbers() -> None:
    desk = Desk(an_endpoint())
    desk.read(notified(1, *KINDS))
    before = rows(desk)
    desk.table.counters.clear()  # it is written last
    del desk.table.rows[before[1].key.encode()]

    desk.read(notified(1, *KINDS))
    desk.read(notified(2))

    assert rows(desk)[:2] == before
    assert [row.sequence for row in rows(desk)] == [1, 2, 3]


def test_the_rows_of_a_type_that_is_not_wanted_any_more_keep_their_numbers() -> None:
    desk = Desk(an_endpoint())
    desk.read(notified(1, *KINDS))
    desk.table.counters.clear()
    desk.endpoints[MERCHANT.encode()] = (an_endpoint(types=("refund.*",)),)

    result = desk.read(notified(1, *KINDS))

    assert [row.sequence for row in rows(desk)] == [1, 2]
    (started,) = said(result.records, DeliveriesStarted)
    assert [row.sequence for row in started.deliveries] == [1, 2]


# --- order within an invoice


def test_what_one_event_tells_goes_in_its_order() -> None:
    desk = Desk(an_endpoint())

    desk.read(notified(1, *KINDS))

    assert keys(rows(desk)) == [(0, 1, 2), (1, 2, 0)]


def test_what_comes_later_comes_after_all_that_is_pending() -> None:
    desk = Desk(an_endpoint())
    desk.read(notified(1, *KINDS))
    desk.read(notified(2, earlier=1))
    desk.read(notified(3, *KINDS, earlier=2))

    assert keys(rows(desk)) == [(0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0)]


def test_who_waited_goes_when_the_one_before_has_ended() -> None:
    desk = Desk(an_endpoint())
    desk.read(notified(1))
    desk.read(notified(2, earlier=1))
    first, second = rows(desk)
    desk.lanes.offered.clear()

    desk.read(made(an_attempt(), delivery=first))

    assert desk.lanes.offered == {second.delivery_id: second}
    assert rows(desk) == [second]


def test_a_failure_leaves_the_row_as_it_is() -> None:
    desk = Desk(an_endpoint())
    desk.read(notified(1))
    desk.read(notified(2, earlier=1))

    desk.read(made(BAD, delivery=rows(desk)[0]))

    assert keys(rows(desk)) == [(0, 1, 2), (1, 2, 0)]


def test_a_row_closes_up_when_one_in_its_middle_ends() -> None:
    desk = Desk(an_endpoint())
    for number in (1, 2, 3):
        desk.read(notified(number, earlier=number - 1))

    desk.read(dropped(rows(desk)[1]))

    assert keys(rows(desk)) == [(0, 1, 3), (1, 3, 0)]


def dropped(row: Delivery) -> DeliveryDropped:
    return DeliveryDropped(
        merchant_id=MERCHANT,
        delivery_id=row.delivery_id,
        round=0,
        at=NOW,
        reason=DropReason.SUPERSEDED,
        endpoint_id=row.endpoint_id,
        created_at=row.created_at,
        sequence=row.sequence,
    )


# --- newer states in the place of older ones


def test_an_endpoint_that_wants_it_is_not_told_what_a_newer_state_replaces() -> None:
    desk = Desk(SUPERSEDING, an_endpoint(endpoint=OTHER))
    desk.read(notified(1, *KINDS))
    first, second = (row for row in rows(desk) if row.endpoint_id == ENDPOINT)

    result = desk.read(notified(2, earlier=1))

    drops = said(result.records, DeliveryDropped)
    assert [(drop.delivery_id, drop.reason) for drop in drops] == [
        (first.delivery_id, DropReason.SUPERSEDED),
        (second.delivery_id, DropReason.SUPERSEDED),
    ]
    ends = [said(desk.read(drop).records, DeliveryAttempted)[0] for drop in drops]
    assert [(end.status, end.sequence) for end in ends] == [
        (DeliveryStatus.SUPERSEDED, 1),
        (DeliveryStatus.SUPERSEDED, 2),
    ]
    assert [row.sequence for row in rows(desk) if row.endpoint_id == ENDPOINT] == [3]
    assert [row.sequence for row in rows(desk) if row.endpoint_id == OTHER] == [1, 2, 3]


def test_a_replay_names_again_what_is_still_there_to_be_replaced() -> None:
    desk = Desk(SUPERSEDING)
    desk.read(notified(1))
    first = desk.read(notified(2, earlier=1))

    again = desk.read(notified(2, earlier=1))

    assert again.records == first.records


# --- endpoints that are removed


def test_what_is_pending_for_a_removed_endpoint_is_dropped_in_portions() -> None:
    desk = Desk(an_endpoint())
    for number in range(DROPS_PER_STEP_MAX + 1):
        desk.read(notified(number))
    gone = EndpointRemoved(merchant_id=MERCHANT, endpoint_id=ENDPOINT, at=at(-1))

    first = desk.read(gone)
    assert len(said(first.records, DeliveryDropped)) == DROPS_PER_STEP_MAX
    assert said(first.records, EndpointRemoved) == [gone]
    for drop in said(first.records, DeliveryDropped):
        desk.read(drop)
    second = desk.read(gone)
    (last,) = said(second.records, DeliveryDropped)
    desk.read(last)
    third = desk.read(gone)

    assert (second.outcome, third.outcome) == ("endpoint_emptied", "endpoint_removed")
    assert (said(third.records, DeliveryDropped), desk.table.counters) == ([], {})
