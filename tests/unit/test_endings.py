"""A task that is cancelled by nobody's wish is a failure, not an end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connectors.kafka.connection import KafkaConnection
from connectors.kafka.tail import KafkaTail
from ops import worker_process
from streams.clock import system_clock
from streams.domain.errors import Unavailable
from streams.endings import Interrupted, is_interrupted, why_it_ended


async def raises(error: BaseException) -> None:
    raise error


async def ended(error: BaseException) -> asyncio.Task[None]:
    task = asyncio.ensure_future(raises(error))
    await asyncio.wait([task])
    return task


async def test_a_failure_is_told_whoever_ended_the_task() -> None:
    error = OSError("gone")
    task = await ended(error)

    assert why_it_ended(task, is_wanted=True) is error
    assert why_it_ended(task, is_wanted=False) is error


async def test_a_cancellation_is_a_failure_unless_it_was_wanted() -> None:
    task = await ended(asyncio.CancelledError())

    assert why_it_ended(task, is_wanted=True) is None
    assert isinstance(why_it_ended(task, is_wanted=False), Interrupted)


async def test_a_task_that_was_asked_to_end_is_not_interrupted() -> None:
    said: list[bool] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            said.append(is_interrupted())
            raise

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert said == [False]


async def test_a_chore_that_is_interrupted_stops_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(worker_process, "fail_stop", lambda *why: stopped.set_result(why))

    async with worker_process._running([raises(asyncio.CancelledError())]):  # noqa: SLF001  # what `work` does
        name, error = await stopped

    assert (name, type(error)) == ("upkeep", Interrupted)


async def test_a_chore_that_its_owner_ends_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[object] = []
    monkeypatch.setattr(worker_process, "fail_stop", lambda *why: stopped.append(why))

    async with worker_process._running([asyncio.Event().wait()]):  # type: ignore[list-item]  # noqa: SLF001  # it never returns
        await asyncio.sleep(0)

    assert stopped == []


async def test_a_question_that_is_interrupted_has_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tail = KafkaTail(KafkaConnection(servers=("127.0.0.1:1",)), {}, system_clock)

    async def interrupted() -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(tail, "_connected", interrupted)

    with pytest.raises(Unavailable, match="the log cannot be asked"):
        await tail.positions()
