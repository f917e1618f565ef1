"""Successes that servers answer within a moment are told to the step together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.together import TOGETHER_MAX, records_of
from connectors.log.places import partition_of
from streams.codecs import decode_notification_message
from streams.domain.delivery import DeliveryStatus
from streams.domain.ids import DeliveryId, EndpointId, MerchantId
from streams.messages import AttemptMade, AttemptsMade
from streams.ports import Record
from tests.builders import MERCHANT, an_attempt, an_endpoint
from tests.notifying_desk import KEY, Desk, made
from tests.unit.test_steps_order import notified, rows

OTHER = MerchantId("mer_other")
OTHER_ENDPOINT = EndpointId("ep_other")


def attempt(name: str, *, code: int = 200, merchant: MerchantId | None = None) -> AttemptMade:
    one = replace(made(an_attempt(status_code=code)), delivery_id=DeliveryId(f"dlv_{name}"))
    return one if merchant is None else replace(one, merchant_id=merchant)


def told(records: list[Record]) -> list[tuple[bytes, list[str]]]:
    """Each record's key, and the deliveries that it tells of."""
    found = []
    for each in records:
        message = decode_notification_message(each.value)
        if isinstance(message, AttemptsMade):
            assert len(message.attempts) > 1
            attempts = message.attempts
        else:
            assert isinstance(message, AttemptMade)
            attempts = (message,)
        found.append((each.key, [one.delivery_id[4:] for one in attempts]))
    return found


def test_successes_of_a_partition_go_together_and_all_else_goes_alone() -> None:
    attempts = [attempt(name) for name in "abcdef"]
    attempts[1] = attempt("b", merchant=OTHER)
    attempts[2] = attempt("c", code=500)
    attempts[4] = attempt("e", code=410)

    assert told(records_of(attempts, partitions=1)) == [
        (KEY, ["a", "b", "d", "f"]),
        (KEY, ["c"]),
        (KEY, ["e"]),
    ]


def test_each_record_is_of_the_partition_of_all_that_it_tells_of() -> None:
    merchants = [MerchantId(f"mer_{number}") for number in range(40)]
    attempts = [attempt(merchant, merchant=merchant) for merchant in merchants]

    found = told(records_of(attempts, partitions=4))

    assert sorted(name for _, names in found for name in names) == sorted(merchants)
    assert len(found) == 4
    for key, names in found:
        assert {partition_of(name.encode(), 4) for name in names} == {partition_of(key, 4)}


def test_only_so_many_go_together() -> None:
    count = 2 * TOGETHER_MAX + 1

    sizes = [len(names) for _, names in told(records_of([attempt("x")] * count, partitions=4))]

    assert sizes == [TOGETHER_MAX, TOGETHER_MAX, 1]


@pytest.mark.parametrize("ack_seconds", [0, 60])
def test_what_follows_is_what_would_follow_each_alone(ack_seconds: int) -> None:
    alone, together = (Desk(an_endpoint(), an_endpoint(endpoint=OTHER_ENDPOINT)) for _ in "ab")
    for desk in (alone, together):
        for number in (1, 2, 3):
            desk.read(notified(number, earlier=number - 1))
    attempts = [
        made(an_attempt(), delivery=row, ack_seconds=ack_seconds) for row in rows(alone)[:4]
    ]

    said_alone = [desk_said for one in attempts for desk_said in alone.read(one).records]
    result = together.read(AttemptsMade(merchant_id=MERCHANT, attempts=tuple(attempts)))

    assert list(result.records) == said_alone
    assert result.outcome == DeliveryStatus.DELIVERED
    assert together.table.rows == alone.table.rows
    assert len(together.table.rows) == (6 if ack_seconds else 2)
    assert together.lanes.offered == alone.lanes.offered


def test_a_replay_of_them_says_the_same_again_and_changes_nothing() -> None:
    desk = Desk(an_endpoint())
    for number in (1, 2, 3):
        desk.read(notified(number))
    attempts = tuple(made(an_attempt(), delivery=row) for row in rows(desk)[:2])
    message = AttemptsMade(merchant_id=MERCHANT, attempts=attempts)

    first, left = desk.read(message), dict(desk.table.rows)
    again = desk.read(message)

    assert again.records == first.records
    assert desk.table.rows == left
    assert len(left) == 1
