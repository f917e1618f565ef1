"""Real servers for tests: each is started at its first use and shared by the whole session.

A test that kills or freezes a server must leave it usable: start or thaw it, then `wait_usable`.
Topics and keyspaces are never removed, so every test names its own, by `fresh_name`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from ops.stack.cassandra import JARS as CASSANDRA_JARS
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import JARS as KAFKA_JARS
from ops.stack.kafka import KafkaCluster, KafkaServer
from ops.stack.packages import Jars, Missing, jars, missing_programs, provide
from ops.stack.redis import RedisServer
from ops.stack.server import Startable

JAR_CACHE = Path(__file__).parents[1] / "build" / "stack" / "jars"


def need(fetch: Callable[[], object]) -> None:
    """Skip the test, loudly, when what it needs cannot be had; under CI fail it instead."""
    try:
        fetch()
    except Missing as error:
        if os.environ.get("CI"):
            pytest.fail(f"a real server is needed under CI: {error}", pytrace=False)
        pytest.skip(f"NOT TRIED ON A REAL SERVER: {error}")


def need_java(wanted: Jars) -> None:
    """Java and Maven are large, so a test never installs them; `make stack` does."""

    def fetch() -> None:
        if lacking := missing_programs(("java", "mvn")):
            raise Missing(f"{' and '.join(lacking)} missing; `make stack` installs or names them")
        jars(wanted, JAR_CACHE)

    need(fetch)


def fresh_name(prefix: str) -> str:
    """A name for a topic, group or keyspace that nothing else in the session uses."""
    return f"{prefix}_{uuid4().hex[:12]}"


S = TypeVar("S", bound=Startable)


def running(server: S) -> Iterator[S]:
    """The server from its first use to the end of the session; nobody needs its data then."""
    try:
        server.start()
        server.wait_usable()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One Kafka broker; `create_topic(name, partitions)` makes a topic with leaders at once."""
    need_java(KAFKA_JARS)
    yield from running(KafkaServer(tmp_path_factory.mktemp("kafka"), jar_cache=JAR_CACHE))


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """One empty broker of the test's own: a product's topics have fixed names, or it is killed."""
    need_java(KAFKA_JARS)
    yield from running(KafkaServer(tmp_path / "kafka", jar_cache=JAR_CACHE))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One empty Kafka broker for the tests of a file."""
    need_java(KAFKA_JARS)
    yield from running(KafkaServer(tmp_path_factory.mktemp("broker"), jar_cache=JAR_CACHE))


@pytest.fixture(scope="session")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three brokers, replication 3, two replicas in sync; stop or kill one and it stays usable."""
    need_java(KAFKA_JARS)
    yield from running(KafkaCluster(tmp_path_factory.mktemp("kafka_cluster"), jar_cache=JAR_CACHE))


@pytest.fixture(scope="session")
def cassandra_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    """One Cassandra node; `execute(cql, ...)` prepares what a test needs."""
    need_java(CASSANDRA_JARS)
    yield from running(CassandraServer(tmp_path_factory.mktemp("cassandra"), jar_cache=JAR_CACHE))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis; its databases 0 to 15 are empty at the start of the session."""
    need(lambda: provide(["redis-server"]))
    yield from running(RedisServer(tmp_path_factory.mktemp("redis")))
