"""Partitions that end before what a group had read are found and named, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from faust.types.tuples import TP

from connectors.kafka.cut import find_cut
from tests.unit.test_kafka_consumer import CHANGES, WORK, World

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


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("first", "offsets", "up_to"), [(0, [0, 1, 2, 0, 1], 2), (7, [4, 5], 6)], ids=["read", "sought"]
)
async def test_work_that_begins_again_is_read_by_a_new_process_from_there_on(
    world: World, monkeypatch: pytest.MonkeyPatch, first: int, offsets: list[int], up_to: int
) -> None:
    committed = []

    async def commit(where: dict[TP, int]) -> bool:
        committed.append(where)
        return True

    monkeypatch.setattr(world.consumer, "_commit", commit)
    world.consumer._first[WORK] = first  # noqa: SLF001  # as a seek does

    await world.read(*offsets)

    assert world.handed_out == [each for each in offsets[:3] if first == 0]
    (error,) = world.stopped
    assert f"had read it up to offset {up_to}," in str(error)
    assert committed == [{WORK: offsets[-2]}]
    world.track(up_to).ack(world.consumer)
    assert world.consumer._new_offset(WORK) is None  # noqa: SLF001  # what commits ask


async def test_a_changelog_that_begins_again_is_left_to_its_table(world: World) -> None:
    await world.read(3, 1, tp=CHANGES)

    assert (world.handed_out, world.stopped) == ([3], [])
