"""Appends what comes within a moment together: one transaction of the log instead of many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

GATHER_SECONDS = 0.02
"""The outcome of an attempt is in no hurry: the merchant has been told already."""
GATHERED_MAX = 32
"""With so many nobody waits for more: a sender at full speed is not slowed down."""

T = TypeVar("T")
Waiting = list[asyncio.Future[None]]


class Gathering(Generic[T]):
    """Collects what is to be appended for a moment; each caller waits until its own is durable."""

    def __init__(
        self,
        append: Callable[[Sequence[T]], Awaitable[object]],
        *,
        most: int = GATHERED_MAX,
        seconds: float = GATHER_SECONDS,
    ) -> None:
        """Where `most` have come, nobody waits for more."""
        self._append = append
        self._most, self._seconds = most, seconds
        self._gathered: list[T] = []
        self._waiting: Waiting = []
        self._timer: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Future[object]] = set()

    async def append(self, one: T) -> None:
        """Return when it is durable; raises what the log raises, to all who wait."""
        # A future of its own: one caller that gives up must not take the others' along.
        loop = asyncio.get_running_loop()
        durable = loop.create_future()
        self._gathered.append(one)
        self._waiting.append(durable)
        if len(self._gathered) >= self._most:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(self._seconds, self._send)
        await durable

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        gathered, waiting = self._gathered, self._waiting
        self._gathered, self._waiting, self._timer = [], [], None
        sending = asyncio.ensure_future(self._append(gathered))
        self._sending.add(sending)
        sending.add_done_callback(partial(self._sent, waiting))

    def _sent(self, waiting: Waiting, sending: asyncio.Future[object]) -> None:
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
