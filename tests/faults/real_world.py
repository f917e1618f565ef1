"""The whole product on real servers, driven and judged as the benches do it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from loadtests.engines import Engines, environment_of
from loadtests.phases import ok_paths
from loadtests.processes import tree
from loadtests.world import World, world
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaCluster, KafkaServer
from ops.stack.redis import RedisServer
from tests.integration.product_world import until
from tests.real_engines import fresh_name


def engines(
    broker: KafkaServer | KafkaCluster, cassandra: CassandraServer, redis: RedisServer
) -> Engines:
    """These servers, with a keyspace that nobody used before."""
    replication = 1 if isinstance(broker, KafkaServer) else len(broker.brokers)
    settings = environment_of(
        broker=broker.url,
        history=f"cassandra://{cassandra.address}/{fresh_name('faults')}",
        cache=redis.url,
        replication=replication,
    )
    return Engines(environment=settings)


@asynccontextmanager
async def real_world(
    folder: Path, under: Engines, paths: Sequence[str] = tuple(ok_paths())
) -> AsyncIterator[World]:
    """A ready product with merchants, as `loadtests` knows it."""
    async with world(folder, "product", merchants=paths, engines=under) as made:
        yield made


def parts(made: World) -> dict[str, int]:
    """The processes of the product that run now, by name."""
    return tree(made.product.process.pid)


async def part(made: World, name: str, *, other_than: int = 0) -> int:
    """The process of this name, once it runs; `other_than` is the one before it."""
    pid = 0

    async def runs() -> bool:
        nonlocal pid
        pid = parts(made).get(name, 0)
        return pid not in {0, other_than}

    await until(runs)
    return pid
