"""A second worker of each stage beside a product on Kafka, as an operator adds them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.world import World
from ops.children import Child, ChildSpec
from ops.settings import READY_FD, SUPERVISED_BY
from streams.topics import STAGES

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0


@asynccontextmanager
async def more_workers(world: World, logs: Path) -> AsyncIterator[Mapping[str, int]]:
    """Their process ids by name, once each has its share of the partitions.

    They are of the product's own data directory, because they need its keys.
    """
    environment = {
        **world.product.environment,
        "KESHIKOMI_DATA": str(world.product.data),
        "KESHIKOMI_WORKER_NAME": "second",
        SUPERVISED_BY: str(os.getpid()),
    }
    children: list[Child] = []
    try:
        for stage in STAGES:
            command = (sys.executable, "-m", "ops.cli", "worker", "--stage", stage)
            logged = ("/bin/sh", "-c", 'exec "$@" >> "$0" 2>&1', str(logs))
            spec = ChildSpec(name=f"{stage} 2", command=(*logged, *command))
            children.append(Child(spec, environment=environment, ready_variable=READY_FD))
        async with asyncio.timeout(READY_SECONDS_MAX):
            await asyncio.gather(*(child.ready.wait() for child in children))
        yield {child.name: child.pid for child in children}
    finally:
        await asyncio.gather(*(child.stop(STOP_SECONDS_MAX) for child in children))
