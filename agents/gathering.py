"""Appends what comes within a moment together: one transaction of the log instead of many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

GATHER_SECONDS = 0.01
"""The outcome of an attempt is in no hurry: the merchant has been told already."""

T = TypeVar("T")
Waiting = list[asyncio.Future[None]]


class Gathering(Generic[T]):
    """Collects what is to be appended for a moment; each caller waits until its own is durable."""

    def __init__(
        self, append: Callable[[Sequence[T]], Awaitable[object]], *, seconds: float = GATHER_SECONDS
    ) -> None:
        self._append = append
        self._seconds = seconds
        self._gathered: list[T] = []
        self._waiting: Waiting = []
        self._sending: set[asyncio.Task[None]] = set()

    async def append(self, one: T) -> None:
        """Return when it is durable; raises what the log raises, to all who wait."""
        # A future of its own: one caller that gives up must not take the others' along.
        durable = asyncio.get_running_loop().create_future()
        self._gathered.append(one)
        self._waiting.append(durable)
        if len(self._waiting) == 1:
            sending = asyncio.create_task(self._send())
            self._sending.add(sending)
            sending.add_done_callback(partial(self._sent, self._waiting))
        await durable

    async def _send(self) -> None:
        await asyncio.sleep(self._seconds)
        gathered, self._gathered, self._waiting = self._gathered, [], []
        await self._append(gathered)

    def _sent(self, waiting: Waiting, sending: asyncio.Task[None]) -> None:
        self._sending.discard(sending)
        error = None if sending.cancelled() else sending.exception()
        for durable in waiting:
            if durable.done():
                continue
            if sending.cancelled():
                durable.cancel()
            elif error is not None:
                durable.set_exception(error)
            else:
                durable.set_result(None)
