"""Records that Kafka forgot before they were read are found and named, and no others."""

from __future__ import annotations

import pytest
from faust.types.tuples import TP

from connectors.kafka.forgotten import find_forgotten

ONE, TWO = TP("references", 1), TP("references", 2)


@pytest.mark.parametrize(
    ("committed", "oldest"),
    [(None, 0), (7, 0), (7, 7)],
    ids=["a new group on a new topic", "nothing was forgotten", "all before was read"],
)
def test_what_was_read_or_is_still_there_is_not_missing(committed: int | None, oldest: int) -> None:
    assert list(find_forgotten("group", {ONE: committed}, {ONE: oldest})) == []


def test_what_was_forgotten_is_told_with_its_place_its_reader_and_its_number() -> None:
    (gone,) = find_forgotten("keshikomi-resolving", {ONE: 7, TWO: 9}, {ONE: 10, TWO: 9})

    assert (gone.tp, gone.records, gone.oldest) == (ONE, 3, 10)
    assert str(gone) == (
        "3 records of partition 1 of references are lost to keshikomi-resolving: Kafka forgot "
        "offsets 7 to 9 before they were read"
    )


def test_a_reader_whose_position_is_forgotten_too_may_have_lost_all_before() -> None:
    (gone,) = find_forgotten("keshikomi-resolving", {ONE: None}, {ONE: 10})

    assert gone.records == 10
    assert str(gone) == (
        "keshikomi-resolving has no position in partition 1 of references, which has forgotten "
        "its first 10 records: nobody knows how many of them were never read"
    )
