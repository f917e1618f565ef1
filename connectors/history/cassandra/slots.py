"""How many requests may be under way at once, and how long others wait for one of them to end."""

from __future__ import annotations

import asyncio

from connectors.history.cassandra.connecting import REQUEST_SECONDS_MAX
from streams.domain.errors import Unavailable

IN_FLIGHT_MAX = 64
"""More in flight makes each wait longer and all of them no faster."""
WAITING_MAX = 10_000
SLOT_SECONDS_MAX = REQUEST_SECONDS_MAX
"""A slot is waited for so long at most: whoever asks a cluster that hangs hears of it by then, or,
with a slot that was given at the last moment, after as long again."""


class Slots:
    """Each request that is under way has one; who has none waits in line, for a limited time."""

    def __init__(
        self, *, in_flight_max: int = IN_FLIGHT_MAX, seconds_max: float = SLOT_SECONDS_MAX
    ) -> None:
        """All are free."""
        self._in_flight_max, self._seconds_max = in_flight_max, seconds_max
        self._free = asyncio.Semaphore(in_flight_max)
        self._waiting = 0

    async def take(self) -> None:
        """Have a slot; raises `Unavailable` when too many wait, or none is free in time.

        Whoever is cancelled has none.
        """
        if not self._free.locked():  # no timer for the most of them
            await self._free.acquire()
            return
        if self._waiting >= WAITING_MAX:
            raise Unavailable(f"history: {WAITING_MAX} requests wait already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds_max):
                await self._free.acquire()
        except TimeoutError:
            text = f"{self._in_flight_max} requests to Cassandra are under way"
            raise Unavailable(
                f"history: {text}, and there was no room for another within {self._seconds_max:g} s"
            ) from None
        finally:
            self._waiting -= 1

    def give(self) -> None:
        """A request has ended: its slot is the next one's."""
        self._free.release()
