"""Counters of endpoints: what was counted before a crash is known, and what was said twice."""

from __future__ import annotations

from datetime import timedelta

import orjson

from streams.domain.ids import NotificationId
from streams.domain.sequence import Counter, Source, numbered_body
from tests.builders import NOW

SECOND = timedelta(seconds=1)
EVENT = NotificationId("evt_1")


def a_source(offset: int, *, partition: int = 0, seconds: int = 0) -> Source:
    return Source(topic="invoices", partition=partition, offset=offset, at=NOW + seconds * SECOND)


def counted(counter: Counter, offset: int, source: Source | None, *, seconds: int = 0) -> Counter:
    return counter.counted(
        last=counter.last + 1,
        last_id=EVENT,
        offset=offset,
        at=NOW + seconds * SECOND,
        source=source,
    )


def test_a_new_counter_knows_nothing() -> None:
    assert not Counter().has_read(0, NOW)
    assert not Counter().has_seen(a_source(0))
    assert not Counter().has_seen(None)


def test_the_same_record_again_is_known_and_a_later_one_is_not() -> None:
    counter = counted(Counter(), 5, a_source(3))

    assert (counter.last, counter.last_id) == (1, EVENT)
    assert counter.has_read(5, NOW)
    assert counter.has_read(4, NOW - SECOND)
    assert not counter.has_read(6, NOW)


def test_a_record_of_a_log_that_was_made_anew_is_new() -> None:
    counter = counted(Counter(), 5, a_source(3))

    assert not counter.has_read(0, NOW + SECOND)
    assert not counter.has_seen(a_source(0, seconds=1))


def test_what_is_said_again_at_another_place_is_known_by_its_source() -> None:
    counter = counted(counted(Counter(), 5, a_source(3)), 6, a_source(4))

    assert counter.has_seen(a_source(3))
    assert counter.has_seen(a_source(4))
    assert not counter.has_seen(a_source(5))


def test_each_way_has_its_own_order() -> None:
    counter = counted(Counter(), 5, a_source(3, partition=1))

    assert not counter.has_seen(a_source(2, partition=0))
    assert counter.has_seen(a_source(2, partition=1))


def test_a_clock_that_was_set_back_makes_nothing_new_of_what_was_read() -> None:
    early = counted(Counter(), 5, a_source(3, seconds=60), seconds=60)
    counter = counted(early, 6, a_source(4), seconds=0)

    assert counter.has_read(5, NOW + 60 * SECOND)
    assert counter.has_seen(a_source(3, seconds=60))


def test_what_has_no_source_leaves_the_sources_as_they_are() -> None:
    counter = counted(counted(Counter(), 5, a_source(3)), 6, None)

    assert counter.read == 6
    assert counter.has_seen(a_source(3))


def test_a_body_gets_its_number_at_its_end_and_stays_what_it_was() -> None:
    body = '{"type":"invoice.paid","data":{"名":"}"}}'

    first, second = numbered_body(body, 1, None), numbered_body(body, 2, EVENT)

    assert first.startswith(body[:-1])
    assert orjson.loads(first) == {**orjson.loads(body), "sequence": 1, "previous_id": None}
    assert orjson.loads(second) == {**orjson.loads(body), "sequence": 2, "previous_id": "evt_1"}
