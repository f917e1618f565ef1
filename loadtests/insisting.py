"""Offers again what was not accepted, as every provider does until it is answered by success."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from loadtests.generator import Client, Offered

INSISTING_SECONDS_MAX = 120.0
PAUSE_SECONDS = 0.5
AT_ONCE = 64


async def insist(client: Client, requests: Sequence[bytes], offered: Offered) -> None:
    """Repeat each request that was not answered by success until it is, within a bound.

    What is accepted then has its last status; `offered.refused` keeps how often it took more.
    """
    begun = time.perf_counter()
    while time.perf_counter() - begun < INSISTING_SECONDS_MAX:
        accepted = set(offered.accepted)
        open_places = [place for place in range(len(requests)) if place not in accepted]
        if not open_places:
            return
        lanes = [open_places[lane::AT_ONCE] for lane in range(AT_ONCE)]
        await asyncio.gather(*(_again(client, requests, offered, lane) for lane in lanes))
        await asyncio.sleep(PAUSE_SECONDS)


async def _again(
    client: Client, requests: Sequence[bytes], offered: Offered, places: Sequence[int]
) -> None:
    for place in places:
        offered.refused[offered.statuses[place]] += 1
        offered.statuses[place], offered.bodies[place] = await client.ask(requests[place])
        offered.answered_ns[place] = time.perf_counter_ns()
