"""Questions that come while one is under way go together in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

AskAll = Callable[[Sequence[str]], Awaitable[Collection[str]]]
"""Which of these keys there are."""


class Gathered:
    """Asks of one key at a time when there is time, of many at once when there is not."""

    def __init__(self, ask_all: AskAll) -> None:
        self._ask_all = ask_all
        self._wanted: set[str] = set()
        self._next: asyncio.Task[Collection[str]] | None = None
        self._under_way: asyncio.Task[Collection[str]] | None = None

    async def has(self, key: str) -> bool:
        """Whether there is this key; raises what the question raises."""
        self._wanted.add(key)
        if self._next is None:
            self._next = asyncio.create_task(self._ask(self._under_way), name="asking for keys")
        # One who gives up must not take the answer from the others.
        return key in await asyncio.shield(self._next)

    async def _ask(self, before: asyncio.Task[Collection[str]] | None) -> Collection[str]:
        if before is not None:
            await asyncio.wait([before])
        self._under_way, self._next = self._next, None
        wanted, self._wanted = self._wanted, set()
        return await self._ask_all(list(wanted))
