"""An event loop that never waits: when nothing is left to do, its time goes on to the next timer.

An hour takes as long as what happens in it. Nobody sleeps, and the same seed sees the same things
in the same order.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.builders import NOW

T = TypeVar("T")


class _Jumps(selectors.SelectSelector):
    """Nothing ever comes from outside, so what would be waited for has passed at once."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("nobody has anything to do, now or later, and somebody waits")
        self.seconds += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop of one scenario; its `time` is the monotonic clock of everyone in it."""

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.seconds


def lived_through(scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What a scenario gives when all of it has happened."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario())


async def passes(seconds: float) -> None:
    """Let so much time go by, and everything happen in it."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over


class WallClock:
    """What people call the time, which may be set while the scenario goes on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._set: list[tuple[float, float]] = [(0.0, 0.0)]
        """When it was set, and how far ahead of the loop's time."""

    def __call__(self) -> datetime:
        return NOW + timedelta(seconds=self._loop.time() + self._set[-1][1])

    def set_ahead(self, seconds: float) -> None:
        self._set.append((self._loop.time(), seconds))

    def latest_between(self, begin: float, end: float) -> datetime:
        """The latest time that it showed between two moments of the loop."""
        untils = [*(at for at, _ in self._set[1:]), math.inf]
        shown = [
            min(until, end) + ahead
            for (at, ahead), until in zip(self._set, untils, strict=True)
            if at <= end and until >= begin
        ]
        return NOW + timedelta(seconds=max(shown))


class Life:
    """One run of a process: at its end all that it had in memory is over, wherever it stood."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waits: set[asyncio.Future[None]] = set()
        self.begun = self._loop.time()
        self.is_over = False

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_later(seconds, self._call, callback)

    async def wait(self, seconds: float) -> None:
        """Wait in this life; the end of the life cancels it."""
        if self.is_over:
            raise asyncio.CancelledError
        over: asyncio.Future[None] = self._loop.create_future()
        self._waits.add(over)
        timer = self._loop.call_later(seconds, over.set_result, None)
        try:
            await over
        finally:
            timer.cancel()
            self._waits.discard(over)

    def end(self) -> None:
        self.is_over = True
        for wait in list(self._waits):
            wait.cancel()

    def _call(self, callback: Callable[[], None]) -> None:
        if not self.is_over:
            callback()
