"""Getting in to a real Kafka that wants TLS and a password or a certificate."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import KafkaConnection
from connectors.kafka.tail import KafkaTail
from connectors.kafka.topics import TopicPlan, make_topics
from ops.check import check as find_faults
from ops.checking import Finding
from ops.engines import setup
from ops.settings import Settings, read
from ops.stack.server import free_port
from streams.clock import system_clock
from streams.domain.errors import Unavailable
from tests.conftest import Eventually
from tests.kafka_guarded import (
    USER,
    WAYS,
    WRONG_PASSWORD,
    GuardedKafka,
    environment_of,
    pem_of,
)
from tests.log_helpers import a_record, end, start
from tests.log_kafka import a_kafka_engine_by
from tests.real_engines import fresh_name

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("leaves_nothing")]

REFUSED = f"refuses the user {USER!r} with this password and SCRAM-SHA-512"


@pytest.mark.parametrize("way", WAYS)
async def test_who_proves_who_they_are_makes_topics_appends_and_reads(
    kafka: GuardedKafka, way: str
) -> None:
    connection = WAYS[way](kafka)
    assert read(environment_of(connection), {}).kafka == connection
    topic = TopicPlan(name=fresh_name("access"), partitions=1, replication=1)
    assert await make_topics(connection, [topic]) == [f"the topic {topic.name} is made"]
    appender = KafkaAppender(connection)
    tail = KafkaTail(connection, {topic.name: 1}, system_clock)

    await appender.append([a_record(topic=topic.name, value=way)])

    (found,) = await tail.fetch(topic.name, 0, 0, 10)
    assert found.value == way.encode()
    assert await tail.end(topic.name, 0) == 1
    await appender.close()
    await tail.close()


@pytest.mark.allows_errors  # aiokafka calls a coordinator that is not elected yet an error
@pytest.mark.parametrize("way", WAYS)
async def test_a_worker_that_proves_who_it_is_handles_what_there_is(
    kafka: GuardedKafka, way: str, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = WAYS[way](kafka)
    for name, value in environment_of(connection).items():
        monkeypatch.setenv(name, value)
    with a_kafka_engine_by(connection, replication=1) as engine:
        for topic in ("notices", "counts", "quarantine"):
            engine.create_topic(topic, 4)
        await engine.append([a_record(key=f"k{n}") for n in range(20)])
        worker = start("tests.log_worker", engine.broker, engine.store, "unit", engine.prefix)
        try:
            await eventually(lambda: sum(engine.ends("counts")) == 20)
            await eventually(lambda: engine.positions("", "notices") == engine.ends("notices"))
        finally:
            end([worker])


# --- files


def test_a_file_that_is_no_use_is_named(kafka: GuardedKafka, tmp_path: Path) -> None:
    locked, text, absent = tmp_path / "locked.key", tmp_path / "text", tmp_path / "absent"
    locked.write_bytes(pem_of(ec.generate_private_key(ec.SECP256R1()), password=b"hunter2"))
    text.write_text("no certificate")
    right = kafka.by_certificate()
    another = kafka.authority.sign("another")
    for wrong, sentence in {
        replace(right, ca_file=str(absent)): f"from {absent}: No such file or directory",
        replace(right, ca_file=str(text)): f"from {text}: no certificate or crl found",
        replace(right, certificate_file=str(absent)): f"the key {right.key_file}: No such file",
        replace(right, key_file=str(another.key)): f"{another.key}: key values mismatch",
        replace(right, key_file=str(text)): f"{text}: one of them is not in PEM, or ",
        replace(right, key_file=str(locked)): f"{locked}: one of them is not in PEM, or ",
    }.items():
        with pytest.raises(Unavailable, match=re.escape(sentence)):
            wrong.ssl_context()


# --- the commands


async def test_a_check_of_the_product_names_the_fault_once(
    kafka: GuardedKafka, tmp_path: Path
) -> None:
    async def faults(connection: KafkaConnection) -> list[Finding]:
        flags = {"data": str(tmp_path / "data"), "port": str(free_port())}
        settings = read(environment_of(connection), flags)
        return [finding for finding in await find_faults(settings) if finding.is_fault]

    right = kafka.by_password("SCRAM-SHA-512")
    assert await faults(right) == []
    (fault,) = await faults(replace(right, password=WRONG_PASSWORD))
    assert fault.name == "log"
    assert fault.sentence == f"Kafka at {right.servers[0]} {REFUSED}"


async def test_setup_gives_topics_the_retention_that_a_check_missed(
    kafka: GuardedKafka, tmp_path: Path
) -> None:
    def for_days(days: int) -> Settings:
        flags = {"data": str(tmp_path / "data"), "port": str(free_port())}
        chosen = {"KESHIKOMI_LOG_RETENTION_DAYS": str(days)}
        return read(environment_of(kafka.by_certificate()) | chosen, flags)

    async def about_topics(settings: Settings) -> Finding:
        (found,) = (each for each in await find_faults(settings) if each.name == "topics")
        return found

    setup(for_days(3))
    assert not (await about_topics(for_days(3))).is_fault
    missed = await about_topics(for_days(4))
    assert missed.is_fault
    assert "references has retention.ms = 259200000, not 345600000" in missed.sentence
    shorter = await about_topics(for_days(2))
    assert not shorter.is_fault
    assert "references has retention.ms = 259200000, not 172800000" in shorter.sentence

    said: list[str] = []
    setup(for_days(4), say=said.append)
    setup(for_days(2), exactly=True, say=said.append)

    for now, before in ((345600000, 259200000), (172800000, 345600000)):
        assert f"references has retention.ms = {now} now, not {before}" in said
    assert not (await about_topics(for_days(2))).is_fault


def test_a_worker_that_may_not_get_in_ends_with_one_sentence(
    kafka: GuardedKafka, tmp_path: Path
) -> None:
    right = kafka.by_password("SCRAM-SHA-512")
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "worker", "--stage", "resolving"],
        env=environment_of(replace(right, password=WRONG_PASSWORD))
        | {"KESHIKOMI_DATA": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    sentence = f"Kafka at {right.servers[0]} {REFUSED}"
    assert (done.returncode, done.stderr) == (1, f"keshikomi: {sentence}\n")
