"""Measures what one notice costs in one shape of the load: CPU of each process, bytes on disk.

Each shape gets a product of its own. CPU counts until every stage and the archiver have read all,
without what the processes use when nothing happens. A shape counts only if everything was told.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtests.engines import ENGINES
from loadtests.generator import http_request, offer
from loadtests.load import until_told
from loadtests.merchants import TOLD
from loadtests.more_workers import more_workers
from loadtests.phases import WARM_UP_RATE, WARM_UP_SECONDS, ok_paths
from loadtests.processes import Watch
from loadtests.registering import over_the_api
from loadtests.report import Measured, bottleneck, generator_figures
from loadtests.sizes import stored
from loadtests.verify import check_audit
from loadtests.world import World, world

IDLE_SECONDS = 4.0
METADATA_CHARACTERS = 500
STEP_SECONDS = re.compile(
    r'^keshikomi_step_seconds_sum\{stage="([a-z]+)"\} ([0-9.e+-]+)$', re.MULTILINE
)

Each = Mapping[str, float]
"""Microseconds, by process or stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is varied; everything else is as `make bench` has it."""

    name: str
    rate: float = 200
    endpoints: int = 1
    """Of each merchant."""
    metadata_kb: int = 0
    """What an invoice carries, and with it every webhook about it."""
    open_invoices: int = 0
    """Beside those that are paid."""
    partitions: int = 4
    workers: int = 1
    """Of each stage; more than one on real engines only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What was measured of a shape, for each notice (each of an invoice of its own)."""

    shape: Shape
    notices: int
    cpu_us: Each
    registering_us: Each
    """For each invoice that was registered."""
    idle_us: Each
    """For each second in which nothing happens."""
    step_us: Each
    """The time that each stage spends in its step, within its process's CPU."""
    around: frozenset[str]
    """Processes that are no part of the product: engines, receiver, generator."""
    faults: tuple[str, ...] = ()
    stored_bytes: Mapping[str, float] = field(default_factory=dict)
    """In the log and in history, the registration of the invoice among them."""

    @property
    def product_us(self) -> float:
        """CPU of all processes of the product."""
        return sum(us for name, us in self.cpu_us.items() if name not in self.around)


async def measure(shape: Shape, folder: Path, engine: str, seconds: float) -> Point:
    """Measure one shape in a folder that is there and empty."""
    settings = {"KESHIKOMI_PARTITIONS": str(shape.partitions)}
    with ENGINES[engine](folder / "engines") as engines:
        async with AsyncExitStack() as stack:
            ready = world(
                folder, "product", merchants=ok_paths(), engines=engines, settings=settings
            )
            stand = _Stand(await stack.enter_async_context(ready), shape)
            await stand.furnish()
            if shape.workers > 1:
                more = more_workers(stand.world, folder / "more.log")
                stand.more = await stack.enter_async_context(more)
            point = await stand.measure(seconds)
            notices = sum(len(merchant.accepted) for merchant in stand.world.merchants)
            data = stand.world.product.data
    sizes = stored(data, folder / "engines", is_real=bool(engines.servers))
    each = {name: sum(parts.values()) / notices for name, parts in sizes.items()}
    return replace(point, stored_bytes=each)


class _Stand:
    """A product in the shape that is measured."""

    def __init__(self, made: World, shape: Shape) -> None:
        self.world, self.shape = made, shape
        self.more: Mapping[str, int] = {}
        self._generator: Measured = {}

    async def furnish(self) -> None:
        """Make it so, and warm it up."""
        pairs = range(self.shape.metadata_kb * 1_000 // METADATA_CHARACTERS)
        metadata = {f"part{place}": "x" * METADATA_CHARACTERS for place in pairs}
        for merchant in self.world.merchants:
            merchant.metadata = metadata or merchant.metadata
            for number in range(1, self.shape.endpoints):
                path = f"{merchant.path}-{number}"
                await self.world.add_endpoint(path, merchant.api_key, types=TOLD)
        warming = int(WARM_UP_RATE * WARM_UP_SECONDS)
        await over_the_api(self.world, warming + self.shape.open_invoices)
        await self._pay(warming, WARM_UP_RATE)

    async def measure(self, seconds: float) -> Point:
        """What notices cost; the files are looked at once everything has stopped."""
        count, idle_seconds = int(self.shape.rate * seconds), min(IDLE_SECONDS, seconds)
        idle = await self._cpu_us(asyncio.sleep(idle_seconds), {})
        idle = {name: us / idle_seconds for name, us in idle.items()}
        registering = await self._cpu_us(self._register(count), idle)
        before = await self._steps_us()
        cpu = await self._cpu_us(self._pay(count, self.shape.rate), idle)
        steps = {stage: us - before[stage] for stage, us in (await self._steps_us()).items()}
        return Point(
            shape=self.shape,
            notices=count,
            cpu_us=_for_each(cpu, count),
            registering_us=_for_each(registering, count),
            idle_us=idle,
            step_us=_for_each(steps, count),
            around=frozenset(self.world.around()),
            faults=tuple([f"{self.shape.name}: {fault}" async for fault in self._faults()]),
        )

    async def _register(self, count: int) -> None:
        await over_the_api(self.world, count)
        await self.world.quiet()

    async def _pay(self, count: int, rate: float) -> None:
        """Offer notices, and wait until all were told and kept."""
        requests, references, owners = self.world.notices(count)
        offered = await offer(self.world.client, requests, rate)
        for place in offered.accepted:
            owners[place].accepted.append(references[place])
        self._generator = generator_figures(offered)
        want = sum(self._wanted().values())

        async def told() -> int:
            return sum((await self.world.receiver.served()).values())

        await until_told(told, want)
        await self.world.quiet()

    def _wanted(self) -> Mapping[str, int]:
        """How many different webhooks each path must have."""
        wanted: dict[str, int] = {}
        for merchant in self.world.merchants:
            wanted[merchant.path] = len(merchant.accepted)
            for number in range(1, self.shape.endpoints):
                wanted[f"{merchant.path}-{number}"] = len(merchant.accepted)
        return wanted

    async def _faults(self) -> AsyncIterator[str]:
        """Why the figures mean nothing: each endpoint must have had each notice once."""
        served, came = await self.world.receiver.served(), await self.world.receiver.counts()
        for path, times in self._wanted().items():
            if not times == served.get(path, 0) == came.get(path, 0):
                yield f"{path}: {came.get(path)} came, {served.get(path)} different, not {times}"
        accepted = sum(len(merchant.accepted) for merchant in self.world.merchants)
        for fault in check_audit(await self.world.product.audit(), accepted):
            yield fault
        if self._generator["generator_was_the_bottleneck"]:
            yield bottleneck(self._generator)

    async def _steps_us(self) -> Counter[str]:
        _, text = await self.world.client.ask(http_request("GET", "/metrics"))
        return Counter(
            {stage: float(at) * 1e6 for stage, at in STEP_SECONDS.findall(text.decode())}
        )

    async def _cpu_us(self, doing: Awaitable[None], idle: Each) -> Each:
        """What the processes use meanwhile, beyond what they use when idle."""
        begun = time.perf_counter()
        async with Watch({**self.world.processes(), **self.more}) as watch:
            await doing
        took = time.perf_counter() - begun
        return {
            name: max(seconds * 1e6 - idle.get(name, 0.0) * took, 0.0)
            for name, seconds in watch.cpu_seconds.items()
        }


def _for_each(us: Each, count: int) -> Each:
    return {name: each / count for name, each in us.items()}
