"""One load and what came of it, whoever was told and whatever was loaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from loadtests.arrivals import Webhook
from loadtests.generator import Offered
from loadtests.processes import Watch

STALLED_SECONDS_MAX = 40.0
POLL_SECONDS = 0.25


class Told(Protocol):
    """Who is told at a path of the receiver."""

    path: str


@dataclass(slots=True, kw_only=True, repr=False)
class Load:
    """One load and everything that came of it; too much to be shown where an assertion fails."""

    offered: Offered
    references: list[str]
    merchants: Sequence[Told]
    arrivals: dict[str, Webhook]
    wall_offset_ns: int
    drained_seconds: float
    watch: Watch
    around: frozenset[str]
    """Processes that are no part of the product."""
    repeats: int = 0
    """Webhooks that came again."""
    lost: Sequence[str] = ()
    """Processes that ended meanwhile, in words; no fault where they were killed on purpose."""


async def until_told(
    told: Callable[[], Awaitable[int]], want: int, *, stalled_seconds: float = STALLED_SECONDS_MAX
) -> None:
    """Wait until so many were told, for as long as more of them come."""
    had, since = -1, time.perf_counter()
    while time.perf_counter() - since < stalled_seconds:
        has = await told()
        if has >= want:
            return
        if has != had:
            had, since = has, time.perf_counter()
        await asyncio.sleep(POLL_SECONDS)
