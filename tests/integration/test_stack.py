"""The servers of the stack start, serve, keep their data when they are killed, and stop."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from aiokafka import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaConsumer,
    AIOKafkaProducer,
    TopicPartition,
)

from ops.stack import packages
from ops.stack.__main__ import TooLittleMemory, bring_up, must_fit
from ops.stack.cassandra import JARS as CASSANDRA_JARS
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import JARS as KAFKA_JARS
from ops.stack.kafka import KafkaCluster, KafkaServer
from ops.stack.packages import Missing, provide
from ops.stack.redis import RedisServer
from ops.stack.server import NotUsable, Server, Startable
from streams.clock import monotonic_seconds
from tests.conftest import Eventually
from tests.faults.outages import killed
from tests.real_engines import JAR_CACHE, fresh_name, need_java

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),
    pytest.mark.allows_errors,  # Kafka's client calls a broker that is away an error
]
STOP_SECONDS = 15.0
USABLE_SECONDS = 60.0
"""About ten on a quiet machine; only a start that hangs takes longer than this."""


def back(server: Startable) -> None:
    """Kill a server and have it come back."""
    server.kill()
    bring_up(server)


def freezes_and_thaws(server: Server) -> None:
    server.freeze()
    try:
        assert not server.answers()
        assert server.is_running
    finally:
        server.thaw()
    server.wait_usable()


async def produce(address: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def consume(address: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_kafka_keeps_what_it_acknowledged_when_it_is_killed(
    kafka_server: KafkaServer,
) -> None:
    topic = fresh_name("kept")
    kafka_server.create_topic(topic, 1)
    await produce(kafka_server.address, topic, b"one")

    back(kafka_server)
    await produce(kafka_server.address, topic, b"two")

    assert await consume(kafka_server.address, topic, 2) == [b"one", b"two"]


async def test_a_stopped_kafka_comes_back_with_its_data(kafka_server: KafkaServer) -> None:
    topic = fresh_name("stopped")
    kafka_server.create_topic(topic, 1)
    await produce(kafka_server.address, topic, b"one")

    before = monotonic_seconds()
    assert kafka_server.stop()
    assert monotonic_seconds() - before < STOP_SECONDS
    assert not kafka_server.is_running
    bring_up(kafka_server)

    assert await consume(kafka_server.address, topic, 1) == [b"one"]


def test_a_topic_is_made_once_and_a_wrong_one_is_refused(kafka_server: KafkaServer) -> None:
    topic = fresh_name("twice")

    kafka_server.create_topic(topic, 1)
    kafka_server.create_topic(topic, 1)

    with pytest.raises(NotUsable, match="InvalidReplicationFactor"):
        kafka_server.create_topic(fresh_name("wide"), 1, replicas=3)


@pytest.mark.allows_errors  # Kafka's client logs that a broker is gone
async def test_a_cluster_stays_writable_without_one_broker(kafka_cluster: KafkaCluster) -> None:
    topic = fresh_name("replicated")
    kafka_cluster.create_topic(topic, 1)
    first, second, third = kafka_cluster.brokers
    await produce(first.address, topic, b"one")

    async with killed(first):
        await produce(second.address, topic, b"two")

    assert await consume(first.address, topic, 2) == [b"one", b"two"]
    assert third.is_running


def test_cassandra_keeps_what_it_acknowledged_when_it_is_killed(
    cassandra_server: CassandraServer,
) -> None:
    space = fresh_name("kept")
    cassandra_server.execute(
        f"CREATE KEYSPACE {space}"
        " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        f"CREATE TABLE {space}.rows (number int PRIMARY KEY)",
        f"INSERT INTO {space}.rows (number) VALUES (7)",  # noqa: S608  # the name is ours
    )

    back(cassandra_server)

    rows = cassandra_server.execute(f"SELECT number FROM {space}.rows")  # noqa: S608  # as above
    assert rows == [(7,)]


def test_redis_keeps_what_it_acknowledged_when_it_is_killed(redis_server: RedisServer) -> None:
    key = fresh_name("kept")
    with redis.Redis.from_url(redis_server.url) as client:
        client.set(key, "one")

    back(redis_server)

    with redis.Redis.from_url(redis_server.url) as client:
        assert client.get(key) == b"one"


@pytest.mark.allows_errors  # Kafka's client logs that the frozen broker does not answer
@pytest.mark.parametrize("name", ["kafka_server", "cassandra_server", "redis_server"])
def test_a_frozen_server_is_silent_until_it_is_thawed(
    name: str, request: pytest.FixtureRequest
) -> None:
    freezes_and_thaws(request.getfixturevalue(name))


def test_a_server_that_cannot_start_shows_the_end_of_its_log(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path / "redis")
    server.directory.mkdir()
    (server.directory / "appendonlydir").write_text("a file where a folder belongs")

    server.start()

    with pytest.raises(NotUsable, match=r"(?s)redis ended with status 1\n.*appendonlydir"):
        server.wait_usable()
    server.stop()


def test_a_port_in_use_is_named(redis_server: RedisServer, tmp_path: Path) -> None:
    with pytest.raises(NotUsable, match=f"cannot listen on 127.0.0.1:{redis_server.port}"):
        RedisServer(tmp_path, port=redis_server.port).start()


ABANDON = """
import os, signal, sys
from pathlib import Path
from ops.stack.redis import RedisServer
server = RedisServer(Path(sys.argv[1]))
server.start()
server.wait_usable()
print(server.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_server_dies_with_the_process_that_started_it(
    redis_server: RedisServer, tmp_path: Path, eventually: Eventually
) -> None:
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ABANDON, str(tmp_path), stdout=subprocess.PIPE
    )
    told, _ = await starter.communicate()

    assert starter.returncode == -signal.SIGKILL
    await eventually(gone(int(told)))


RUN = """
import sys
from pathlib import Path
from ops.stack.__main__ import run
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaServer
from ops.stack.redis import RedisServer
folder, cache = Path(sys.argv[1]), Path(sys.argv[2])
run({
    "KESHIKOMI_BROKER": KafkaServer(folder / "kafka", jar_cache=cache),
    "KESHIKOMI_HISTORY": CassandraServer(folder / "cassandra", jar_cache=cache),
    "KESHIKOMI_CACHE": RedisServer(folder / "redis"),
}, {"KESHIKOMI_KAFKA_REPLICATION": "1"})
"""


async def test_the_stack_is_usable_soon_tells_its_addresses_and_stops_at_ctrl_c(
    tmp_path: Path,
) -> None:
    need_java(KAFKA_JARS)
    need_java(CASSANDRA_JARS)
    stack = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, str(tmp_path), str(JAR_CACHE)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert stack.stdout
    try:
        usable = re.match(r"# usable after ([0-9.]+) s;", (await stack.stdout.readline()).decode())
        exports = [(await stack.stdout.readline()).decode() for _ in range(4)]
        before = monotonic_seconds()
        stack.send_signal(signal.SIGINT)
        told, complaints = await stack.communicate()
    finally:
        if stack.returncode is None:
            stack.kill()

    assert monotonic_seconds() - before < STOP_SECONDS
    assert usable
    assert float(usable[1]) < USABLE_SECONDS
    assert [line.partition("=")[0] for line in exports] == [
        "export KESHIKOMI_BROKER",
        "export KESHIKOMI_HISTORY",
        "export KESHIKOMI_CACHE",
        "export KESHIKOMI_KAFKA_REPLICATION",
    ]
    assert exports[3] == "export KESHIKOMI_KAFKA_REPLICATION=1\n"
    assert (stack.returncode, told, complaints) == (0, b"# stopping\n", b"")
    assert "bye bye" in (tmp_path / "redis" / "server.log").read_text()


def test_what_does_not_fit_into_the_memory_is_refused_with_the_figures() -> None:
    must_fit(1, 3_000_000_000)
    with pytest.raises(TooLittleMemory, match=r"3 Kafka .* need 6\.6 GB .* 3\.0 GB are available"):
        must_fit(3, 3_000_000_000)


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(Missing, match=r"mvn, redis-server missing; .* maven redis-server"):
        provide(["mvn", "redis-server"])


def test_no_service_is_started_while_a_package_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "SERVICE_POLICY", policy)

    with packages.services_stay_off():
        status = subprocess.run([policy], check=False).returncode

    assert status == 101
    assert not policy.exists()


def gone(pid: int) -> Callable[[], bool]:
    """Whether a process has ended; one that nobody has waited for yet has."""

    def ended() -> bool:
        try:
            os.kill(pid, 0)
            return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
        except (ProcessLookupError, FileNotFoundError):
            return True

    return ended
