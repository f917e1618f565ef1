"""The engines under the product of a run: files, or real servers that are started for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from connectors.kafka.connection import SCHEME
from ops.stack import cassandra, kafka
from ops.stack.__main__ import bring_up
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaServer
from ops.stack.packages import jars, provide
from ops.stack.redis import RedisServer
from ops.stack.server import Server

JAR_CACHE = Path("build/stack/jars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What the product of a run stands on: its settings, and the servers by name."""

    environment: Mapping[str, str] = field(default_factory=dict)
    servers: Mapping[str, Server] = field(default_factory=dict)

    @property
    def refuses_surely(self) -> bool:
        """Whether what was refused is not written: Kafka may take what had timed out."""
        return not self.environment.get("KESHIKOMI_BROKER", "").startswith(SCHEME)

    def processes(self) -> dict[str, int]:
        """The servers that run now, by name."""
        return {name: server.pid for name, server in self.servers.items() if server.is_running}


def environment_of(*, broker: str, history: str, cache: str, replication: int) -> dict[str, str]:
    """The settings that name real engines."""
    return {
        "KESHIKOMI_BROKER": broker,
        "KESHIKOMI_KAFKA_REPLICATION": str(replication),
        "KESHIKOMI_HISTORY": history,
        "KESHIKOMI_CACHE": cache,
        "KESHIKOMI_WORKER_NAME": "first",
    }


@contextmanager
def embedded(_folder: Path) -> Iterator[Engines]:
    """Files in the data directory: what anyone gets who sets nothing."""
    yield Engines()


@contextmanager
def real(folder: Path) -> Iterator[Engines]:
    """One Kafka broker, one Cassandra node and one Redis, all empty, in this folder.

    At the end they are killed: nobody needs their data then, and to stop takes them seconds.

    Raises:
        Missing: Java, Maven or Redis is not here and cannot be installed.
        NotUsable: a server did not start; the message has the end of its log.
    """
    provide(("java", "mvn", "redis-server"))
    jars(kafka.JARS, JAR_CACHE)
    jars(cassandra.JARS, JAR_CACHE)
    broker = KafkaServer(folder / "kafka", jar_cache=JAR_CACHE)
    node = CassandraServer(folder / "cassandra", jar_cache=JAR_CACHE)
    cache = RedisServer(folder / "redis")
    servers: dict[str, Server] = {"kafka": broker, "cassandra": node, "redis": cache}
    settings = environment_of(broker=broker.url, history=node.url, cache=cache.url, replication=1)
    with ThreadPoolExecutor(max_workers=len(servers)) as pool:
        try:
            list(pool.map(bring_up, servers.values()))
            yield Engines(environment=settings, servers=servers)
        finally:
            list(pool.map(lambda server: server.kill(), servers.values()))


ENGINES: Mapping[str, Callable[[Path], AbstractContextManager[Engines]]] = {
    "embedded": embedded,
    "real": real,
}
