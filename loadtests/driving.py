"""Drives one run: Locust on a ready product, servers that go away, watchers, and the end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from loadtests.busy import Mood
from loadtests.crew import Crew, crew
from loadtests.disk import Disk
from loadtests.generator import Client, http_request
from loadtests.load import POLL_SECONDS
from loadtests.orders import Orders
from loadtests.processes import Watch, faults_of_parts, tree
from loadtests.results import Result, begun_ns, read_results, users_done
from loadtests.schedule import Schedule
from loadtests.world import LAG, World
from streams.clock import system_clock

ENGINES_FOLDER = "engines"
"""Within the folder of a run."""
BEGIN_SECONDS_MAX = 60.0
END_SECONDS_MAX = 90.0
"""So long after the last notice every answer is there, or the run goes on without it."""
LOOK_SECONDS = 1.0


class CrewFailed(RuntimeError):
    """Locust did not begin."""


@dataclass(slots=True, kw_only=True)
class Backlog:
    """How many records each stage had yet to take, by the second, also while it drains."""

    port: int
    looks: list[tuple[int, Mapping[str, int]]] = field(default_factory=list)

    async def follow(self) -> None:
        """Look until cancelled."""
        client = Client(self.port, connections_max=1)
        try:
            while True:
                with suppress(TimeoutError):
                    _, text = await client.ask(http_request("GET", "/metrics"))
                    lags = LAG.findall(text.decode())
                    seen = {stage: int(float(lag)) for stage, lag in lags}
                    self.looks.append((time.perf_counter_ns(), seen))
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await client.close()


@dataclass(slots=True, kw_only=True)
class Course:
    """What was seen of a run, until everything was told."""

    begin_ns: int
    results: Sequence[Result]
    watch: Watch
    backlog: Backlog
    disk: Disk
    around: frozenset[str]
    """Processes that are no part of the product."""
    wall_offset_ns: int
    faults: list[str] = field(default_factory=list)


@asynccontextmanager
async def driven(
    world: World, orders: Orders, schedule: Schedule, *, web_port: int | None
) -> AsyncIterator[Course]:
    """Send everything; the processes and the backlog are watched until the block ends."""
    last = max((notice.at_seconds for notice in schedule.notices), default=0.0)
    async with AsyncExitStack() as stack:
        hands = await stack.enter_async_context(crew(orders, web_port=web_port))
        begin = await _begun(orders, hands)
        beside = {"receiver": world.receiver.pid, "harness": os.getpid()}
        around = {**world.engines.processes(), **hands.pids(), **beside}
        parts = tree(world.product.process.pid)
        watch = await stack.enter_async_context(Watch(parts | around))
        backlog = Backlog(port=world.product.port)
        disk = Disk(folders=[world.product.data, orders.folder / ENGINES_FOLDER])
        tasks = [asyncio.create_task(each.follow()) for each in (backlog, disk)]
        if orders.profile.outage:
            tasks.append(asyncio.create_task(_be_away(world, orders, begin)))
        faults: list[str] = []
        stack.push_async_callback(end_watchers, tasks, faults)
        faults += await _sent(orders, hands, begin + int((last + END_SECONDS_MAX) * 1e9))
        await hands.stop()
        yield Course(
            begin_ns=begin,
            results=list(read_results(orders.folder)),
            watch=watch,
            backlog=backlog,
            disk=disk,
            around=frozenset(around),
            wall_offset_ns=int(system_clock().timestamp() * 1e9) - time.perf_counter_ns(),
            faults=faults,
        )
        faults += faults_of_parts(parts, tree(world.product.process.pid))


async def _begun(orders: Orders, hands: Crew) -> int:
    """When the schedule begins, as soon as Locust has said so."""
    since = time.perf_counter()
    while (begin := begun_ns(orders.folder)) is None:
        if hands.has_ended or time.perf_counter() - since > BEGIN_SECONDS_MAX:
            raise CrewFailed(f"Locust did not begin; it logged:\n{hands.said()}")
        await asyncio.sleep(POLL_SECONDS)
    return begin


async def _sent(orders: Orders, hands: Crew, until_ns: int) -> list[str]:
    """Wait until every user has sent everything and heard the answers; returns what went wrong."""
    while users_done(orders.folder) < hands.users:
        if hands.has_ended:
            return [f"Locust ended before everything was sent; it logged:\n{hands.said()}"]
        if time.perf_counter_ns() > until_ns:
            return [f"after {END_SECONDS_MAX:g} s answers were still missing"]
        await asyncio.sleep(POLL_SECONDS)
    return []


async def _be_away(world: World, orders: Orders, begin: int) -> None:
    """Have all busy servers fail for a part of the time."""
    assert orders.profile.outage is not None
    for share, mood in zip(orders.profile.outage, (Mood.FAIL, Mood.SERVE), strict=True):
        at_ns = begin + int(share * orders.seconds * 1e9)
        await asyncio.sleep(max(at_ns - time.perf_counter_ns(), 0) / 1e9)
        await world.receiver.change(mood)


async def end_watchers(tasks: Sequence[asyncio.Task[None]], faults: list[str]) -> None:
    """End them; one that had failed saw, or did, nothing since then, and that is a fault."""
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    faults += [
        f"what watches or disturbs the run failed: {error!r}"
        for error in ended
        if isinstance(error, Exception)
    ]
