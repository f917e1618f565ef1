"""Catching up with the directory: many at once share few questions, and none gets an old answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from api.directory import Directory
from streams.domain.errors import Unavailable
from streams.ports import Fetched


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
