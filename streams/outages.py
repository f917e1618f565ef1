"""How work that needs an engine goes on once the engine is back: it waits, as long as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from streams.domain.errors import Unavailable

RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 10.0

OnOutage = Callable[[Unavailable, float], None]
"""Told of each failed try and of the seconds until the next one."""


async def until_available(work: Callable[[], Awaitable[object]], on_outage: OnOutage) -> None:
    """Do the work, again and again while it raises `Unavailable`, with pauses that grow."""
    wait_seconds = RETRY_SECONDS_MIN
    while True:
        try:
            await work()
        except Unavailable as error:
            on_outage(error, wait_seconds)
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, RETRY_SECONDS_MAX)
        else:
            return
