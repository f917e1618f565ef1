"""Every number of a stretch is in exactly one range, by what became of it."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.completeness import Range, completeness, ranges
from streams.domain.delivery import DeliveryStatus

DELIVERED, PENDING, RETRYING = (
    DeliveryStatus.DELIVERED,
    DeliveryStatus.PENDING,
    DeliveryStatus.RETRYING,
)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], []),
        ([7], [(7, 7)]),
        ([1, 2, 3], [(1, 3)]),
        ([1, 2, 4, 6, 7], [(1, 2), (4, 4), (6, 7)]),
    ],
)
def test_ranges_are_as_few_as_there_can_be(numbers: list[int], expected: list[Range]) -> None:
    assert ranges(numbers) == expected


def test_each_number_is_where_its_status_puts_it() -> None:
    known = {
        2: DELIVERED,
        3: DELIVERED,
        4: PENDING,
        5: RETRYING,
        7: DeliveryStatus.FAILED,
        8: DeliveryStatus.SUPERSEDED,
    }

    found = completeness(known, 1, 9)

    assert (found.delivered, found.pending) == ([(2, 3)], [(4, 5)])
    assert (found.failed, found.superseded) == ([(7, 7)], [(8, 8)])
    assert found.unknown == [(1, 1), (6, 6), (9, 9)]


@pytest.mark.parametrize(
    ("known", "is_complete"),
    [
        ({1: DELIVERED, 2: DELIVERED}, True),
        ({1: DELIVERED}, False),
        *(
            ({1: DELIVERED, 2: status}, False)
            for status in DeliveryStatus
            if status is not DELIVERED
        ),
    ],
)
def test_a_stretch_is_complete_when_every_number_was_delivered(
    known: dict[int, DeliveryStatus], *, is_complete: bool
) -> None:
    assert completeness(known, 1, 2).is_complete is is_complete


def test_a_stretch_without_numbers_lacks_none() -> None:
    found = completeness({}, 8, 7)

    assert (found.is_complete, found.unknown) == (True, [])


@given(
    known=st.dictionaries(st.integers(5, 25), st.sampled_from(DeliveryStatus), max_size=21),
    before=st.integers(0, 4),
    after=st.integers(0, 4),
)
def test_no_number_is_missing_and_none_is_there_twice(
    known: dict[int, DeliveryStatus], before: int, after: int
) -> None:
    first, last = 5 - before, 25 + after

    found = completeness(dict(sorted(known.items())), first, last)

    parts = (found.delivered, found.pending, found.failed, found.superseded, found.unknown)
    numbers = [
        number for start, end in chain.from_iterable(parts) for number in range(start, end + 1)
    ]
    assert sorted(numbers) == list(range(first, last + 1))
    assert found.is_complete == (set(known.values()) == {DELIVERED} and len(known) == len(numbers))
