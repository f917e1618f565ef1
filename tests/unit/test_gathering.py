"""Records that come within a moment are appended together, and each caller hears of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agents.gathering import Gathering
from streams.domain.errors import Unavailable
from streams.ports import Record


def a_record(name: str) -> Record:
    return Record(topic="notifications", key=b"mer_1", value=name.encode())


async def test_records_of_one_moment_are_one_append() -> None:
    appended: list[Sequence[Record]] = []

    async def append(records: Sequence[Record]) -> None:
        appended.append(records)

    gathering = Gathering(append, seconds=0)
    await asyncio.gather(*(gathering.append(a_record(name)) for name in "abc"))
    await gathering.append(a_record("d"))

    assert [[record.value for record in records] for records in appended] == [
        [b"a", b"b", b"c"],
        [b"d"],
    ]


async def test_everyone_hears_that_the_log_refused() -> None:
    async def append(records: Sequence[Record]) -> None:
        raise Unavailable("the disk is full")

    gathering = Gathering(append, seconds=0)
    answers = await asyncio.gather(
        *(gathering.append(a_record(name)) for name in "ab"), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]


async def test_who_gives_up_does_not_take_the_others_along() -> None:
    appended: list[Record] = []
    open_gate = asyncio.Event()

    async def append(records: Sequence[Record]) -> None:
        await open_gate.wait()
        appended.extend(records)

    gathering = Gathering(append, seconds=0)
    hasty = asyncio.create_task(gathering.append(a_record("hasty")))
    patient = asyncio.create_task(gathering.append(a_record("patient")))
    await asyncio.sleep(0)
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    open_gate.set()
    await patient

    assert [record.value for record in appended] == [b"hasty", b"patient"]


async def test_as_many_as_there_may_be_wait_for_no_more() -> None:
    appended: list[int] = []

    async def append(records: Sequence[Record]) -> None:
        appended.append(len(records))

    gathering = Gathering(append, most=2, seconds=60)
    async with asyncio.timeout(5):
        await asyncio.gather(*(gathering.append(a_record(name)) for name in "abcd"))

    assert appended == [2, 2]
