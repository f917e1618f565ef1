"""The product with the rights that docs/operate.md names, on a Kafka and a Cassandra that ask."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from cassandra.auth import PlainTextAuthProvider  # type: ignore[import-untyped]  # no type hints
from cassandra.cluster import Cluster, NoHostAvailable, Session  # type: ignore[import-untyped]  # as above

from ops.demo_product import running
from ops.stack.cassandra import PROTOCOL_VERSION
from ops.stack.kafka import JARS as KAFKA_JARS
from ops.stack.kafka import KafkaServer, Member
from ops.stack.server import LOOPBACK, eventually, free_port
from tests.cassandra_guarded import GIVEN_USER, GuardedServer, a_guarded_server
from tests.integration.product_world import World, are_told
from tests.real_engines import JAR_CACHE, need_java
from tests.real_engines import running as running_server
from tests.rights import allow, grants

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300), pytest.mark.allows_errors]

SETUP, RUNNING = "keshikomi_setup", "keshikomi"
PASSWORD = "sesame-of-the-test"
KEYSPACE = "keshikomi"
FIRST_USER_SECONDS_MAX = 60.0


class AskingCassandra(GuardedServer):
    """A node that asks what somebody may do, too."""

    more = "authorizer: CassandraAuthorizer\npermissions_validity: 0ms\n"

    @property
    def authority(self) -> Path:
        """Who signed its certificate."""
        return self.directory / "node.pem"

    @contextmanager
    def superuser(self) -> Iterator[Session]:
        """A session of the one who may do everything."""
        with Cluster(
            [self.host],
            port=self.port,
            protocol_version=PROTOCOL_VERSION,
            auth_provider=PlainTextAuthProvider(*GIVEN_USER.split(":")),
            ssl_context=ssl.create_default_context(cafile=str(self.authority)),
        ) as cluster:
            yield cluster.connect()

    def knows_its_superuser(self) -> bool:
        """The node makes it a moment after it is usable."""
        try:
            with self.superuser():
                return True
        except NoHostAvailable:
            return False


class AskingKafka(KafkaServer):
    """A broker with a port for those who sign in, and one for its own machine, which may all."""

    def __init__(self, directory: Path) -> None:
        member = Member(node_id=1)
        self.guarded_port = free_port()
        controller = f"CONTROLLER://{LOOPBACK}:{member.controller_port}"
        listeners = f"PLAINTEXT://{LOOPBACK}:{member.port},SCRAM://{LOOPBACK}:{self.guarded_port}"
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        super().__init__(
            directory,
            jar_cache=JAR_CACHE,
            member=member,
            passwords={SETUP: PASSWORD, RUNNING: PASSWORD},
            options={
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
                "listeners": f"{listeners},{controller}",
                "advertised.listeners": listeners,
                "listener.security.protocol.map": (
                    "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SCRAM:SASL_PLAINTEXT"
                ),
                "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.scram.scram-sha-512.sasl.jaas.config": login,
            },
        )


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[AskingKafka]:
    need_java(KAFKA_JARS)
    yield from running_server(AskingKafka(tmp_path / "kafka"))


@pytest.fixture
def cassandra(tmp_path: Path) -> Iterator[AskingCassandra]:
    for server in a_guarded_server(tmp_path / "cassandra", AskingCassandra):
        assert eventually(server.knows_its_superuser, FIRST_USER_SECONDS_MAX)
        yield server


def settings_of(user: str, kafka: AskingKafka, cassandra: AskingCassandra) -> dict[str, str]:
    who = f"{user}:{PASSWORD}@{cassandra.address}"
    return {
        **os.environ,
        "KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS": "true",
        "KESHIKOMI_BROKER": f"kafka://{LOOPBACK}:{kafka.guarded_port}",
        "KESHIKOMI_KAFKA_REPLICATION": "1",
        "KESHIKOMI_KAFKA_USERNAME": user,
        "KESHIKOMI_KAFKA_PASSWORD": PASSWORD,
        "KESHIKOMI_HISTORY": (
            f"cassandra://{who}/{KEYSPACE}?tls=true&ca={cassandra.authority}&replication=1"
        ),
        "KESHIKOMI_WORKER_NAME": "test",
    }


async def command(name: str, data: Path, environment: Mapping[str, str]) -> tuple[int | None, str]:
    """How a command of the product ended, and what it said."""
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", name, "--data", str(data)),
        env={**environment, "KESHIKOMI_PORT": str(free_port())},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await done.communicate()
    return done.returncode, said.decode()


async def test_the_rights_of_the_docs_are_enough(
    tmp_path: Path, kafka: AskingKafka, cassandra: AskingCassandra
) -> None:
    data = tmp_path / "data"
    ours = settings_of(RUNNING, kafka, cassandra)
    kafka.ask(lambda admin: allow(admin, setup=SETUP, running=RUNNING))
    with cassandra.superuser() as superuser:
        for user in (SETUP, RUNNING):
            login = f"WITH PASSWORD = '{PASSWORD}' AND LOGIN = true"
            superuser.execute(f"CREATE ROLE {user} {login}")
        given = list(grants(KEYSPACE, setup=SETUP, running=RUNNING))
        for statement in (each for user, each in given if user == SETUP):
            superuser.execute(statement)

        status, said = await command("setup", data, settings_of(SETUP, kafka, cassandra))
        assert status == 0, said
        for statement in (each for user, each in given if user == RUNNING):
            superuser.execute(statement)

    status, said = await command("check", data, ours)
    assert status == 0, said
    async with running(data, environment=ours) as product, aiohttp.ClientSession() as http:
        await product.wait_ready()
        world = World(http, product.url, data)
        async with world.receiver.running():
            await are_told(world, await world.merchant("a"), {"paid"})
        audit = await product.audit()
        assert "counts" in audit, audit
