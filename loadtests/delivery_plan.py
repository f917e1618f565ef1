"""How much `loadtests.deliveries` measures, and what each of its phases works with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.notifying import Notifying, notifying

WARM_UP_RATE = 40.0
WARM_UP_COUNT = 80
CAPACITY = 4
BUSY_PATH = f"/busy/{CAPACITY}/50"
"""Servers that take 50 ms for each request, and that many at once."""
RETRIES_SECONDS_MAX = 200.0
"""A delivery that failed three times may wait for two minutes, the circuit for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Rates are notifications a second, all times are in seconds."""

    latency_rates: tuple[float, ...] = (50, 200, 1_000)
    latency_seconds: float = 20
    search_rate: float = 1_000
    search_seconds: float = 10
    endpoints: int = 1_000
    hanging_shares: tuple[float, ...] = (0, 0.01, 0.1, 0.5)
    hanging_rate: float = 400
    hanging_seconds: float = 25
    hanging_rounds: int = 1
    outage_endpoints: int = 100
    live_endpoints: int = 20
    outage_rate: float = 200
    """Half of it to the endpoints that will hang, half to the others."""
    outage_seconds: float = 60
    outage_calm_seconds: float = 15
    """So long before, and twice as long after the outage."""
    kills: int = 20
    kill_rate: float = 200
    pending: int = 100_000
    jump_endpoints: int = 20
    jump_rate: float = 100
    jump_every_seconds: float = 5


QUICK = Plan(
    latency_rates=(50,),
    latency_seconds=1,
    search_rate=50,
    search_seconds=1,
    endpoints=20,
    hanging_shares=(0, 0.5),
    hanging_rate=50,
    hanging_seconds=2,
    outage_endpoints=4,
    live_endpoints=2,
    outage_rate=40,
    outage_seconds=2,
    outage_calm_seconds=1,
    kills=2,
    kill_rate=40,
    pending=600,
    jump_endpoints=2,
    jump_rate=20,
    jump_every_seconds=1,
)


@dataclass(slots=True, kw_only=True)
class Bench:
    """What a phase needs: where it works, what it measures, where it says what is wrong."""

    folder: Path
    plan: Plan
    say: Callable[[str], None]
    faults: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def world(
        self,
        name: str,
        *,
        environment: Mapping[str, str] | None = None,
        repeats_allowed: bool = False,
    ) -> AsyncIterator[Notifying]:
        """A fresh worker and its receiver, warmed up; at its end the truth is checked."""
        async with notifying(self.folder / name, environment) as made:
            warm = await made.add_shops(["/ok/warm-up"])
            await made.load(warm * WARM_UP_COUNT, WARM_UP_RATE)
            yield made
            repeats, found = await made.judge(repeats_allowed=repeats_allowed)
        self.faults += [f"{name}: {fault}" for fault in found]
        told = sum(shop.count for shop in made.shops)
        verdict = f"{len(found)} FAULTS" if found else "each as it should be"
        self.say(f"  truth after {told} notifications: {verdict}; {repeats} came again")
