"""A real Cassandra on the loopback: one node, or several that replicate to one another."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from string import Template

from cassandra.cluster import (  # type: ignore[import-untyped]  # the driver has no type hints
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
)
from cassandra.connection import ConnectionException  # type: ignore[import-untyped]  # as above
from cassandra.policies import (  # type: ignore[import-untyped]  # as above
    WhiteListRoundRobinPolicy,
)

from ops.stack.packages import Jars, jars
from ops.stack.server import LOOPBACK, Server, free_port

VERSION = "5.0.5"
JARS = Jars(
    name="cassandra",
    version=VERSION,
    artifacts=(f"org.apache.cassandra:cassandra-all:{VERSION}",),
)
PORT = 9042
KEYSPACE = "keshikomi"
HEAP = "1g"
NODE_BYTES = 1_500_000_000
"""What one node takes of the memory, measured: its heap and 0.4 GB beside it."""

ANSWER_SECONDS_MAX = 5.0
SPEAK_SECONDS_MAX = 2.0
TOKENS = 2**64
"""A ring has tokens from -2**63 to 2**63 - 1; the nodes share it evenly."""

PROTOCOL_VERSION = 5
OPTIONS_FRAME = bytes.fromhex("04 00 0000 05 00000000")
SUPPORTED = 0x06
FRAME_HEADER_BYTES = 9


class CassandraServer(Server):
    """One node with its data in `directory`, on free ports unless `port` names one."""

    def __init__(
        self,
        directory: Path,
        *,
        jar_cache: Path,
        port: int | None = None,
        hosts: Sequence[str] = (LOOPBACK,),
        number: int = 0,
        storage_port: int | None = None,
    ) -> None:
        """The node `number` (from zero) of those at `hosts`, which share their ports."""
        name = "cassandra" if len(hosts) == 1 else f"cassandra {number + 1}"
        super().__init__(name, directory, host=hosts[number], port=port or free_port())
        self.hosts = tuple(hosts)
        self._number = number
        self._jar_cache = jar_cache
        self._storage_port = storage_port or free_port()
        self._ssl_storage_port = free_port()

    @property
    def url(self) -> str:
        """The value for KESHIKOMI_HISTORY."""
        return f"cassandra://{self.address}/{KEYSPACE}"

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        """Run CQL statements one after another; returns the rows of the last as tuples.

        Errors of the driver are raised as they are.
        """
        here = ExecutionProfile(WhiteListRoundRobinPolicy([self.host]))
        with Cluster(
            [self.host],
            port=self.port,
            connect_timeout=ANSWER_SECONDS_MAX,
            protocol_version=PROTOCOL_VERSION,
            execution_profiles={EXEC_PROFILE_DEFAULT: here},
        ) as cluster:
            session = cluster.connect()
            rows: list[tuple[object, ...]] = []
            for statement in statements:
                rows = [tuple(row) for row in session.execute(statement)]
            return rows

    def answers(self) -> bool:
        """Whether CQL statements are answered here, and every other node is known."""
        if not self._speaks():  # a port may be open while nothing can be asked yet
            return False
        try:
            peers = self.execute("SELECT peer FROM system.peers_v2")
        except (NoHostAvailable, ConnectionException, OSError):
            return False
        return len(peers) == len(self.hosts) - 1

    def prepare(self) -> Sequence[str]:
        folder = jars(JARS, self._jar_cache).absolute()
        directory = self.directory.absolute()
        values = {
            "directory": directory,
            "jars": folder,
            "heap": HEAP,
            "host": self.host,
            "port": self.port,
            "storage_port": self._storage_port,
            "ssl_storage_port": self._ssl_storage_port,
            "seeds": ",".join(f"{host}:{self._storage_port}" for host in self.hosts),
            "token": self._number * TOKENS // len(self.hosts) - (TOKENS // 2),
        }
        for template, name in (
            ("cassandra.yaml", "cassandra.yaml"),
            ("cassandra-jvm.options", "jvm.options"),
            ("cassandra-logback.xml", "logback.xml"),
        ):
            text = files("ops.stack").joinpath(template).read_text()
            (self.directory / name).write_text(Template(text).substitute(values))
        main = "org.apache.cassandra.service.CassandraDaemon"
        return ["java", f"@{directory}/jvm.options", "-cp", f"{folder}/*", main]

    def _speaks(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), SPEAK_SECONDS_MAX) as asked:
                asked.settimeout(SPEAK_SECONDS_MAX)
                asked.sendall(OPTIONS_FRAME)
                answer = asked.recv(FRAME_HEADER_BYTES)
        except OSError:
            return False
        return len(answer) == FRAME_HEADER_BYTES and answer[4] == SUPPORTED


class CassandraCluster:
    """Several nodes at 127.0.0.1, 127.0.0.2 and so on, each with an even share of the ring."""

    def __init__(
        self, directory: Path, *, jar_cache: Path, nodes: int = 3, port: int | None = None
    ) -> None:
        hosts = [f"127.0.0.{number}" for number in range(1, nodes + 1)]
        port, storage_port = port or free_port(), free_port()
        self.nodes = tuple(
            CassandraServer(
                directory / f"cassandra-{number + 1}",
                jar_cache=jar_cache,
                port=port,
                hosts=hosts,
                number=number,
                storage_port=storage_port,
            )
            for number in range(nodes)
        )

    @property
    def url(self) -> str:
        """The value for KESHIKOMI_HISTORY: every node, since any may be down; a copy on each."""
        addresses = ",".join(node.address for node in self.nodes)
        return f"cassandra://{addresses}/{KEYSPACE}?replication={len(self.nodes)}"

    def start(self) -> None:
        """Start every node at the same time; `wait_usable` follows."""
        for node in self.nodes:
            node.start()

    def wait_usable(self) -> None:
        """Return once every node knows all the others."""
        for node in self.nodes:
            node.wait_usable()

    def kill(self) -> None:
        """End every node at once; their data stay."""
        for node in self.nodes:
            node.kill()

    def stop(self) -> bool:
        """Stop every node at the same time; true when all ended by themselves."""
        with ThreadPoolExecutor(max_workers=len(self.nodes)) as pool:
            return all(pool.map(CassandraServer.stop, self.nodes))
