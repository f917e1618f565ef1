"""A table's values are decoded once while their rows stay the same."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tables.table import TypedTable

KEY, OTHER = b"key", b"other"


class Numbers(TypedTable[int]):
    """A table of numbers over a dict, which counts how often it decodes."""

    def __init__(self, remembered_bytes_max: int) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.decoded: list[bytes] = []
        super().__init__(
            SimpleNamespace(data=self.stored),
            decode=self.count_and_decode,
            remembered_bytes_max=remembered_bytes_max,
        )

    def count_and_decode(self, data: bytes) -> int:
        self.decoded.append(data)
        return int(data)


def test_a_value_that_is_read_again_is_not_decoded_again() -> None:
    numbers = Numbers(100)
    numbers.stored |= {KEY: b"1", OTHER: b"2"}

    assert [numbers[KEY], numbers[OTHER], numbers[KEY], numbers[OTHER]] == [1, 2, 1, 2]
    assert numbers.decoded == [b"1", b"2"]


def test_a_row_that_changed_in_whatever_way_is_what_is_read() -> None:
    numbers = Numbers(100)
    numbers.stored[KEY] = b"1"
    assert numbers[KEY] == 1

    numbers.stored[KEY] = b"2"  # a step that is taken back, a partition that moved
    assert numbers[KEY] == 2

    del numbers.stored[KEY]
    with pytest.raises(KeyError):
        numbers[KEY]


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_only_so_many_bytes_are_remembered(limit: int) -> None:
    numbers = Numbers(limit)
    numbers.stored |= {b"%d" % n: b"%d" % n for n in range(9)}
    keys = list(numbers.stored)

    assert [numbers[key] for key in keys] == [*range(9)]
    again = [numbers[key] for key in reversed(keys)]

    assert again == [*reversed(range(9))]
    assert len(numbers.decoded) >= 18 - limit
