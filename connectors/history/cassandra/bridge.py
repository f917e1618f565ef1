"""From the driver's thread to the event loop: answers are handed over in groups."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

Rows = list[Any]


class Bridge:
    """Carries answers to one event loop, which is woken once for all that came meanwhile."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._came: deque[tuple[asyncio.Future[Rows], Rows, BaseException | None]] = deque()
        self._is_woken = False

    def answered(self, rows: Rows | None, future: asyncio.Future[Rows]) -> None:
        """For the driver's thread: these rows are the answer."""
        self._hand_over(future, rows or [], None)

    def failed(self, error: BaseException, future: asyncio.Future[Rows]) -> None:
        """For the driver's thread: this went wrong."""
        self._hand_over(future, [], error)

    def _hand_over(
        self, future: asyncio.Future[Rows], rows: Rows, error: BaseException | None
    ) -> None:
        self._came.append((future, rows, error))
        if not self._is_woken:
            self._is_woken = True
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # First, so that what comes from here on wakes the loop again: a needless time at worst.
        self._is_woken = False
        while self._came:
            future, rows, error = self._came.popleft()
            if future.done():
                continue  # its caller was cancelled
            if error is None:
                future.set_result(rows)
            else:
                future.set_exception(error)
