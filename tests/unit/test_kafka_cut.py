"""Partitions that end before what a group had read are found and named, and no others."""

from __future__ import annotations

import pytest
from faust.types.tuples import TP

from connectors.kafka.cut import find_cut

ONE, TWO = TP("references", 1), TP("references", 2)


@pytest.mark.parametrize("committed", [None, 7, 9], ids=["a new group", "behind", "at the end"])
def test_who_read_no_further_than_the_end_lost_nothing(committed: int | None) -> None:
    assert find_cut("group", {ONE: committed}, {ONE: 3}, {ONE: 9}) == []


def test_what_was_cut_is_told_with_its_place_its_reader_and_what_is_done() -> None:
    (cut,) = find_cut(
        "keshikomi-resolving", {ONE: 1000, TWO: 9}, {ONE: 3, TWO: 0}, {ONE: 900, TWO: 9}
    )

    assert (cut.tp, cut.oldest) == (ONE, 3)
    assert str(cut).startswith(
        "Kafka has lost the end of partition 1 of references: keshikomi-resolving had read it up "
        "to offset 999, "
    )
    assert "is read again, from offset 3 on" in str(cut)
