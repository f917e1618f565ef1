"""A real Kafka on the loopback: one broker, or several that replicate to one another (KRaft)."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TypeVar

from aiokafka.admin import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaAdminClient,
    NewTopic,
)
from aiokafka.errors import (  # type: ignore[import-untyped]  # as above
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)

from connectors.kafka.reaching import farewell
from ops.stack.packages import Jars, jars
from ops.stack.server import LOOPBACK, NotUsable, Server, eventually, free_port

VERSION = "4.1.1"
JARS = Jars(
    name="kafka",
    version=VERSION,
    artifacts=(f"org.apache.kafka:kafka_2.13:{VERSION}", "org.slf4j:slf4j-simple:1.7.36"),
)
JAVA = (
    "java",
    *("-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    *("-XX:+ExitOnOutOfMemoryError", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
)
CLUSTER_ID = "a2VzaGlrb21pLXN0YWNrLQ"
"""22 characters of base64url, as Kafka wants it; a stack of this machine meets no other."""

SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
PORT = 9092
ANSWER_SECONDS_MAX = 2.0
QUESTION_SECONDS_MAX = 20.0
"""For all the round trips of one question."""
TOPIC_SECONDS_MAX = 30.0
FORMAT_SECONDS_MAX = 60.0
REPLICAS_MAX = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Where one node of a cluster listens: for clients and brokers, and for the quorum."""

    node_id: int
    port: int = field(default_factory=free_port)
    controller_port: int = field(default_factory=free_port)


class KafkaServer(Server):
    """One broker, which is a controller too, with its data in `directory`."""

    def __init__(
        self,
        directory: Path,
        *,
        jar_cache: Path,
        member: Member | None = None,
        members: Sequence[Member] = (),
        options: Mapping[str, str] | None = None,
        passwords: Mapping[str, str] | None = None,
    ) -> None:
        """Alone on free ports unless `member` names others; `members` lists the whole cluster.

        `options` are lines of `server.properties` that replace or follow ours; `passwords` are
        those of users who may sign in by SCRAM, where a listener asks for it.
        """
        self.member = member or Member(node_id=1)
        self.members = tuple(members) or (self.member,)
        name = "kafka" if len(self.members) == 1 else f"kafka {self.member.node_id}"
        super().__init__(name, directory, host=LOOPBACK, port=self.member.port)
        self._jar_cache = jar_cache
        self._options = dict(options or {})
        self._passwords = dict(passwords or {})

    @property
    def url(self) -> str:
        """The value for KESHIKOMI_BROKER."""
        return f"kafka://{self.address}"

    def create_topic(
        self,
        name: str,
        partitions: int = 4,
        *,
        replicas: int = 1,
        config: Mapping[str, str] | None = None,
    ) -> None:
        """Make a topic, and return when every partition of it has a leader; repeatable.

        Raises:
            NotUsable: the broker refused, or no leader was elected within 30 s.
        """
        topic = NewTopic(name, partitions, replicas, topic_configs=dict(config or {}))

        async def create(client: AIOKafkaAdminClient) -> None:
            answer = await client.create_topics([topic])
            for _, code, *why in answer.topic_errors:
                if code not in {0, TopicAlreadyExistsError.errno}:
                    raise NotUsable(f"topic {name}: {for_code(code).__name__} {why}")

        self.ask(create)
        if not eventually(lambda: self._has_leaders(name, partitions), TOPIC_SECONDS_MAX):
            raise NotUsable(f"topic {name} has no leaders\n{self.log_tail()}")

    def ask(self, question: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        """Put a question to the broker through an admin client, and wait for the answer.

        It runs on a thread of its own: the caller may be inside an event loop.
        """

        async def asked() -> T:
            client = AIOKafkaAdminClient(
                bootstrap_servers=self.address,
                request_timeout_ms=int(ANSWER_SECONDS_MAX * 1000),
            )
            try:
                # A client that met a broker at the moment of its start may wait for ever.
                async with asyncio.timeout(QUESTION_SECONDS_MAX):
                    await client.start()
                    return await question(client)
            finally:
                await farewell(client.close())

        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(lambda: asyncio.run(asked())).result()

    def answers(self) -> bool:
        """Whether every member of the cluster is known here, as only usable ones are."""

        async def brokers(client: AIOKafkaAdminClient) -> int:
            return len((await client.describe_cluster())["brokers"])

        try:
            return self.ask(brokers) == len(self.members)
        except (KafkaError, OSError, TimeoutError):
            return False

    def prepare(self) -> Sequence[str]:
        properties = self.directory / "server.properties"
        properties.write_text(self._properties())
        java = [*JAVA, "-cp", f"{jars(JARS, self._jar_cache).absolute()}/*"]
        if not (self.directory / "data" / "meta.properties").exists():
            self._format(java, properties)
        return [*java, "kafka.Kafka", str(properties.absolute())]

    def _format(self, java: Sequence[str], properties: Path) -> None:
        arguments = ["format", "-t", CLUSTER_ID, "-c", str(properties), "--ignore-formatted"]
        for user, password in self._passwords.items():
            for mechanism in SCRAM:
                told = f"{mechanism}=[name={user},password={password}]"
                arguments += ["--add-scram", told]
        done = subprocess.run(
            [*java, "kafka.tools.StorageTool", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=FORMAT_SECONDS_MAX,
        )
        if done.returncode != 0:
            raise NotUsable(f"{self.name} cannot format its folder\n{done.stdout}")

    def _properties(self) -> str:
        replicas = min(REPLICAS_MAX, len(self.members))
        voters = (f"{each.node_id}@{self.host}:{each.controller_port}" for each in self.members)
        text = Template(files("ops.stack").joinpath("kafka.properties").read_text()).substitute(
            node_id=self.member.node_id,
            host=self.host,
            port=self.port,
            controller_port=self.member.controller_port,
            voters=",".join(voters),
            directory=self.directory.absolute(),
            replicas=replicas,
            replicas_in_sync=max(1, replicas - 1),
        )
        # Of a line that is there twice, Java reads the last.
        return text + "".join(f"{name}={value}\n" for name, value in self._options.items())

    def _has_leaders(self, name: str, partitions: int) -> bool:
        async def leaders(client: AIOKafkaAdminClient) -> int:
            (topic,) = await client.describe_topics([name])
            return sum(each["leader"] >= 0 for each in topic["partitions"])

        try:
            return self.ask(leaders) >= partitions
        except (KafkaError, OSError, TimeoutError):
            return False


class KafkaCluster:
    """Several brokers with the same topics; a topic stays writable while all but one live."""

    def __init__(
        self, directory: Path, *, jar_cache: Path, nodes: int = 3, ports: Sequence[int] = ()
    ) -> None:
        """`ports` are those of the brokers, in order; free ones by default."""
        chosen = ports or [free_port() for _ in range(nodes)]
        self.members = tuple(Member(node_id=n, port=port) for n, port in enumerate(chosen, 1))
        self.brokers = tuple(
            KafkaServer(
                directory / f"kafka-{member.node_id}",
                jar_cache=jar_cache,
                member=member,
                members=self.members,
            )
            for member in self.members
        )

    @property
    def url(self) -> str:
        """The value for KESHIKOMI_BROKER: every broker, since any may be down."""
        return "kafka://" + ",".join(broker.address for broker in self.brokers)

    def start(self) -> None:
        """Start every broker at the same time; `wait_usable` follows."""
        with ThreadPoolExecutor(max_workers=len(self.brokers)) as pool:
            list(pool.map(KafkaServer.start, self.brokers))

    def wait_usable(self) -> None:
        """Return once every broker knows all the others."""
        for broker in self.brokers:
            broker.wait_usable()

    def kill(self) -> None:
        """End every broker at once; their data stay."""
        for broker in self.brokers:
            broker.kill()

    def stop(self) -> bool:
        """Stop every broker at the same time; true when all ended by themselves."""
        with ThreadPoolExecutor(max_workers=len(self.brokers)) as pool:
            return all(pool.map(KafkaServer.stop, self.brokers))

    def create_topic(
        self, name: str, partitions: int = 4, *, config: Mapping[str, str] | None = None
    ) -> None:
        """As `KafkaServer.create_topic`, with a replica on each of up to three brokers."""
        replicas = min(REPLICAS_MAX, len(self.brokers))
        running = next(broker for broker in self.brokers if broker.is_running)
        running.create_topic(name, partitions, replicas=replicas, config=config)
