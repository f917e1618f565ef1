"""Catching up with the directory: many at once share few questions, and none gets an old answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from api.directory import Directory
from streams.domain.errors import Unavailable
from streams.domain.ids import MerchantId
from streams.domain.invoice import ReleasePolicy
from streams.messages import MerchantSet
from streams.ports import Fetched, Place, Record
from tests.builders import NOW


class SlowTail:
    """A log that is asked for its end, and answers when the test says so."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[int]] = []
        self.asked = asyncio.Event()
        self.fetched_to = 0

    async def end(self, topic: str, partition: int) -> int:
        self.answers.append(asyncio.get_running_loop().create_future())
        self.asked.set()
        return await self.answers[-1]

    async def fetch(self, topic: str, partition: int, offset: int, limit: int) -> Sequence[Fetched]:
        return []


def a_directory(tail: SlowTail) -> Directory:
    return Directory(appender=cast("Any", None), tail=cast("Any", tail))


async def test_those_who_come_during_a_question_share_the_next_one() -> None:
    tail = SlowTail()
    directory = a_directory(tail)
    first = asyncio.create_task(directory.catch_up())
    await tail.asked.wait()
    tail.asked.clear()
    others = []
    for _ in range(50):
        others.append(asyncio.create_task(directory.catch_up()))
        await asyncio.sleep(0)

    tail.answers[0].set_result(1)
    await first
    assert not any(each.done() for each in others)  # that answer may be older than they are
    await tail.asked.wait()
    tail.answers[1].set_result(2)
    await asyncio.gather(*others)

    assert len(tail.answers) == 2


async def test_a_question_that_fails_fails_those_who_asked_it_and_no_others() -> None:
    tail = SlowTail()
    directory = a_directory(tail)
    first = asyncio.create_task(directory.catch_up())
    await tail.asked.wait()
    other = asyncio.create_task(directory.catch_up())
    gone = asyncio.create_task(directory.catch_up())
    tail.asked.clear()

    tail.answers[0].set_exception(Unavailable("down"))
    with pytest.raises(Unavailable):
        await first
    await tail.asked.wait()
    gone.cancel()  # the question is also the other's
    tail.answers[1].set_result(2)
    await other

    assert len(tail.answers) == 2


class ShortLog:
    """A log of a directory that may lose its end."""

    def __init__(self) -> None:
        self.records: list[Fetched] = []

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        places = []
        for each in records:
            place = Place(topic=each.topic, partition=0, offset=len(self.records))
            places.append(place)
            fetched = Fetched(place=place, recorded_at=NOW, key=each.key, value=each.value)
            self.records.append(fetched)
        return places

    async def end(self, topic: str, partition: int) -> int:
        return len(self.records)

    async def fetch(self, topic: str, partition: int, offset: int, limit: int) -> Sequence[Fetched]:
        return self.records[offset : offset + limit]


def a_merchant(name: str) -> MerchantSet:
    return MerchantSet(
        merchant_id=MerchantId(name),
        name=name,
        release=ReleasePolicy(),
        grace_seconds=0,
        created_at=NOW,
    )


@pytest.mark.allows_errors
@pytest.mark.parametrize("lost", [1, 3], ids=["the last", "all"])
async def test_a_directory_that_lost_its_end_is_read_anew_and_what_comes_is_seen(lost: int) -> None:
    log = ShortLog()
    directory = Directory(appender=cast("Any", log), tail=cast("Any", log))
    for name in ("one", "two", "three"):
        await directory.set(a_merchant(name))
    del log.records[3 - lost :]

    await directory.set(a_merchant("four"))  # this process says more
    assert directory.merchant("four")
    assert not directory.merchant("three")


@pytest.mark.allows_errors
async def test_a_directory_that_lost_its_end_sees_what_other_processes_say() -> None:
    log = ShortLog()
    directory = Directory(appender=cast("Any", log), tail=cast("Any", log))
    for name in ("one", "two", "three"):
        await directory.set(a_merchant(name))
    del log.records[1:]
    other = Directory(appender=cast("Any", log), tail=cast("Any", log))
    await other.set(a_merchant("four"))

    await directory.catch_up()

    assert directory.merchant("one")
    assert directory.merchant("four")
    assert not directory.merchant("two")
