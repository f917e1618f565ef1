"""The supervisor starts its children in order, restarts them, and ends them the other way round."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ops.children import ChildSpec
from ops.supervisor import Bounds, Supervisor
from streams.domain.errors import Conflict
from tests.conftest import Eventually

QUICK = Bounds(start=20, shutdown=20, backoff_first=0.001, backoff_max=0.002, orphans=0.2)

# Each child tells what happens to it in a file that the test reads.
TELL = """
import os, signal, sys
from pathlib import Path
told = Path(sys.argv[1])
def tell(text):
    with told.open("a") as file:
        file.write(f"{sys.argv[2]} {text}\\n")
def ready():
    descriptor = int(os.environ["KESHIKOMI_READY_FD"])
    os.write(descriptor, b"1")
    os.close(descriptor)
"""
STEADY = (
    TELL
    + """
def end(*_):
    tell("ends")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
tell("starts")
ready()
while True:
    signal.pause()
"""
)
STUBBORN = (
    TELL
    + """
signal.signal(signal.SIGTERM, lambda *_: tell("will not"))
tell("starts")
ready()
while True:
    signal.pause()
"""
)
FAILING = (
    TELL
    + """
tell("starts")
sys.exit(3)
"""
)
MENDED = (
    TELL
    + """
tell("starts")
if told.read_text().count("starts") < 4:
    os.kill(os.getpid(), signal.SIGKILL)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ready()
while True:
    signal.pause()
"""
)


class World:
    """A folder where children tell what happens, and supervisors that run over them."""

    def __init__(self, folder: Path) -> None:
        self.told = folder / "told"
        self.told.touch()
        self.lock_path = folder / "lock"
        self.announced = asyncio.Event()
        self.ended: list[str] = []

    def child(self, name: str, script: str) -> ChildSpec:
        return ChildSpec(name=name, command=(sys.executable, "-c", script, str(self.told), name))

    def supervisor(self, *specs: ChildSpec, bounds: Bounds = QUICK) -> Supervisor:
        return Supervisor(
            specs,
            lock_path=self.lock_path,
            bounds=bounds,
            announce=self.announced.set,
            forget=self.ended.append,
        )

    def lines(self) -> list[str]:
        return self.told.read_text().splitlines()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@asynccontextmanager
async def running(run: Coroutine[None, None, bool]) -> AsyncIterator[asyncio.Task[bool]]:
    """A supervisor that runs beside the block, and is not left behind by a test that fails."""
    task = asyncio.create_task(run)
    try:
        yield task
    finally:
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await task


async def test_it_announces_when_every_child_is_ready(world: World) -> None:
    supervisor = world.supervisor(world.child("a", STEADY), world.child("b", STEADY))

    async with running(supervisor.run()) as run:
        await world.announced.wait()
        assert sorted(world.lines()) == ["a starts", "b starts"]
        supervisor.stop()

        assert await run is True


async def test_it_ends_children_in_the_reverse_of_their_order(world: World) -> None:
    names = ("worker", "archiver", "api")
    supervisor = world.supervisor(*(world.child(name, STEADY) for name in names))

    async with running(supervisor.run()) as run:
        await world.announced.wait()
        supervisor.stop()
        await run

    assert world.lines()[3:] == ["api ends", "archiver ends", "worker ends"]
    assert world.ended == ["api", "archiver", "worker"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly(world: World, number: signal.Signals) -> None:
    supervisor = world.supervisor(world.child("a", STEADY))

    async with running(supervisor.run()) as run:
        await world.announced.wait()
        os.kill(os.getpid(), number)

        assert await run is True
    assert world.lines() == ["a starts", "a ends"]


@pytest.mark.allows_errors
async def test_a_child_that_does_not_end_is_killed(world: World) -> None:
    bounds = Bounds(shutdown=0.05)
    supervisor = world.supervisor(world.child("a", STUBBORN), bounds=bounds)

    async with running(supervisor.run()) as run:
        await world.announced.wait()
        supervisor.stop()

        assert await run is False


async def test_a_second_signal_does_not_wait(world: World, eventually: Eventually) -> None:
    bounds = Bounds(shutdown=20, insist_after=0)
    supervisor = world.supervisor(world.child("a", STUBBORN), bounds=bounds)

    async with running(supervisor.run()) as run:
        await world.announced.wait()
        supervisor.stop()
        await eventually(lambda: "a will not" in world.lines())
        supervisor.stop()

        assert await run is False


async def test_a_signal_that_comes_twice_at_once_is_one(world: World) -> None:
    supervisor = world.supervisor(world.child("a", STEADY))

    async with running(supervisor.run()) as run:
        await world.announced.wait()
        supervisor.stop()
        supervisor.stop()

        assert await run is True


@pytest.mark.allows_errors
async def test_a_child_that_dies_is_started_again_until_it_lives(world: World) -> None:
    supervisor = world.supervisor(world.child("a", MENDED))

    async with running(supervisor.run()) as run:
        await world.announced.wait()
        supervisor.stop()

        assert await run is True
    assert world.lines().count("a starts") == 4


@pytest.mark.allows_errors
async def test_a_child_that_always_fails_is_never_given_up_and_not_silent(
    world: World, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = world.supervisor(world.child("a", FAILING), world.child("b", STEADY))

    async with running(supervisor.run()):
        await eventually(lambda: world.lines().count("a starts") > 6)
        supervisor.stop()

    alarms = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "a ended with status 3" in alarms[0].getMessage()
    assert not world.announced.is_set()


@pytest.mark.allows_errors
async def test_a_command_that_does_not_exist_is_told_and_tried_again(
    world: World, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = world.supervisor(ChildSpec(name="a", command=("/nonexistent/command",)))

    async with running(supervisor.run()):
        await eventually(lambda: caplog.text.count("cannot be started") > 1)
        supervisor.stop()


@pytest.mark.allows_errors
async def test_parts_that_are_not_ready_in_time_are_named(
    world: World, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    silent = STEADY.replace("ready()\nwhile", "while")
    bounds = Bounds(start=0.01, shutdown=20)
    supervisor = world.supervisor(world.child("slow", silent), bounds=bounds)

    async with running(supervisor.run()):
        await eventually(lambda: "slow starts" in world.lines())
        await eventually(lambda: "not ready after 0.01 s: slow" in caplog.text)
        supervisor.stop()


async def test_a_second_instance_is_refused_and_told_the_pid_of_the_first(world: World) -> None:
    first = world.supervisor(world.child("a", STEADY))
    second = world.supervisor(world.child("b", STEADY))

    async with running(first.run()):
        await world.announced.wait()
        with pytest.raises(Conflict, match=f"already runs on .* \\(pid {os.getpid()}\\)"):
            await second.run()
        first.stop()

    assert "b starts" not in world.lines()
