"""A check ends in time whatever it tries, and what it found is told before the next begins."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import check_engines
from ops.check import check
from ops.checking import Finding, Unfit, tried
from ops.settings import BadSettings, Settings
from ops.stack.server import free_port
from tests.conftest import Eventually


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", port=free_port())


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Set at the end of the test, so that no thread of it is left."""
    event = threading.Event()
    yield event
    event.set()


async def test_what_is_well_and_each_fault_is_a_finding(settings: Settings) -> None:
    def unfit(_: Settings) -> str:
        raise Unfit("too old")

    def twice(_: Settings) -> str:
        raise BadSettings(("one", "two"))

    assert await tried("a", lambda _: "fine", settings) == [
        Finding(name="a", is_fault=False, sentence="fine")
    ]
    assert await tried("a", unfit, settings) == [
        Finding(name="a", is_fault=True, sentence="too old")
    ]
    assert [each.sentence for each in await tried("a", twice, settings)] == ["one", "two"]


async def test_a_check_that_hangs_is_a_fault_with_its_name(
    settings: Settings, never: threading.Event
) -> None:
    def hangs(_: Settings) -> str:
        never.wait()
        return "at last"

    (finding,) = await tried("cache", hangs, settings, seconds_max=0.05)

    assert finding.line == "FAULT cache: the check of cache had no answer within 0.05 s"


async def test_a_check_that_is_broken_is_a_fault_and_python_says_why(
    settings: Settings, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    monkeypatch.setattr(threading, "excepthook", said.append)

    (finding,) = await tried("cache", lambda _: str(1 / 0), settings)

    assert finding.is_fault
    assert "is broken" in finding.sentence
    await eventually(lambda: len(said) == 1)


async def test_a_finding_is_told_while_the_next_check_still_runs(
    settings: Settings, never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(_: Settings) -> str:
        never.wait()
        return "answers at last"

    monkeypatch.setitem(check_engines.ENGINES, "log", hangs)
    told: asyncio.Queue[Finding] = asyncio.Queue()
    checking = asyncio.create_task(check(settings, tell=told.put_nowait))

    before = [(await told.get()).name for _ in range(5)]

    assert before == ["data", "disk", "keys", "port", "clock"]
    assert not checking.done()
    never.set()
    assert (await told.get()).sentence == "answers at last"
    assert len(await checking) == 5 + len(check_engines.ENGINES)


async def test_the_same_fault_of_two_checks_is_told_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_: Settings) -> str:
        raise Unfit("Kafka refuses connections")

    monkeypatch.setitem(check_engines.ENGINES, "log", refuses)
    monkeypatch.setitem(check_engines.ENGINES, "topics", refuses)

    faults = [each for each in await check(settings) if each.is_fault]

    assert [fault.name for fault in faults] == ["log"]
