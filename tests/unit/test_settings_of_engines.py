"""What the settings say of Kafka and Cassandra goes together, or is refused with what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.settings import BadSettings, read
from tests.unit.test_settings import faults_of

NAMED = {"KESHIKOMI_HISTORY": "sqlite:///var/lib/history.db"}


def test_tables_on_rocksdb_are_for_workers_on_kafka() -> None:
    (fault,) = faults_of({"KESHIKOMI_TABLE_STORE": "rocksdb"})
    assert fault.startswith("KESHIKOMI_TABLE_STORE: rocksdb is for workers on Kafka; the embedded")

    on_kafka = NAMED | {
        "KESHIKOMI_TABLE_STORE": "rocksdb",
        "KESHIKOMI_BROKER": "kafka://127.0.0.1:9092",
    }
    assert read(on_kafka, {}).table_store == "rocksdb"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KESHIKOMI_BROKER", "kafka://user:hunter2@host:9092"),
        ("KESHIKOMI_HISTORY", "cassandra://user:hunter2@host"),
    ],
)
def test_a_fault_in_an_engines_url_shows_no_password(name: str, value: str) -> None:
    (fault,) = faults_of({name: value})

    assert name in fault
    assert "hunter2" not in fault


def test_kafka_takes_all_that_a_connection_needs_from_the_environment(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    settings = read(
        {
            **NAMED,
            "KESHIKOMI_BROKER": "kafka://one:9092,two",
            "KESHIKOMI_KAFKA_TLS": "true",
            "KESHIKOMI_KAFKA_USERNAME": "worker",
            "KESHIKOMI_KAFKA_PASSWORD": "hunter2",
        },
        {},
    )

    assert settings.kafka is not None
    assert settings.kafka.servers == ("one:9092", "two:9092")
    assert (settings.kafka.tls, settings.kafka.username) == (True, "worker")
    assert "hunter2" not in repr(settings) + repr(settings.kafka)
    halves = {"KESHIKOMI_KAFKA_USERNAME": "worker", "KESHIKOMI_KAFKA_KEY_FILE": str(key)}
    halves |= NAMED | {"KESHIKOMI_BROKER": "kafka://one"}
    assert faults_of(halves) == (
        "KESHIKOMI_KAFKA_CERTIFICATE_FILE: goes with KESHIKOMI_KAFKA_KEY_FILE",
        "KESHIKOMI_KAFKA_USERNAME: goes with KESHIKOMI_KAFKA_PASSWORD",
    )


def test_no_password_goes_to_kafka_in_the_clear(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.touch()
    user = {"KESHIKOMI_KAFKA_USERNAME": "worker", "KESHIKOMI_KAFKA_PASSWORD": "hunter2"}
    user |= NAMED | {"KESHIKOMI_BROKER": "kafka://one"}
    files = {"KESHIKOMI_KAFKA_CA_FILE": str(authority)}
    plain = {"KESHIKOMI_KAFKA_MECHANISM": "PLAIN"}

    assert faults_of(user | files | plain) == (
        "KESHIKOMI_KAFKA_CA_FILE: needs KESHIKOMI_KAFKA_TLS=true",
        "KESHIKOMI_KAFKA_MECHANISM: PLAIN needs KESHIKOMI_KAFKA_TLS=true",
    )
    assert read(user | files | plain | {"KESHIKOMI_KAFKA_TLS": "true"}, {}).kafka_tls


def test_what_is_said_of_kafka_where_there_is_none_is_a_fault() -> None:
    said = {
        "KESHIKOMI_KAFKA_REPLICATION": "1",
        "KESHIKOMI_KAFKA_TLS": "true",
        "KESHIKOMI_KAFKA_USERNAME": "worker",
        "KESHIKOMI_KAFKA_PASSWORD": "hunter2",
    }

    assert faults_of(said) == tuple(
        f"{name}: is for a log on Kafka; set KESHIKOMI_BROKER=kafka://HOST:PORT too, or leave it "
        "out"
        for name in said
    )
    assert read(said | NAMED | {"KESHIKOMI_BROKER": "kafka://one"}, {}).kafka is not None
    # Whether there is to be a Kafka is not known as long as the URL cannot be read.
    (fault,) = faults_of(said | {"KESHIKOMI_BROKER": "kafka//one"})
    assert fault.startswith("KESHIKOMI_BROKER: ")


def test_no_password_goes_to_cassandra_in_the_clear() -> None:
    history = "cassandra://user:hunter2@one/keshikomi"

    assert faults_of({"KESHIKOMI_HISTORY": history}) == (
        "KESHIKOMI_HISTORY: a password needs ?tls=true; without, it goes in the clear",
    )
    with pytest.raises(BadSettings) as caught:
        read({"KESHIKOMI_HISTORY": history, "KESHIKOMI_CACHE": "redis://:hunter2@one"}, {})
    assert caught.value.unread == {"history", "cache"}  # a check would send the password
    assert read({"KESHIKOMI_HISTORY": f"{history}?tls=true"}, {}).history.endswith("tls=true")


@pytest.mark.parametrize("password", ["a/b", "1/b", "a?b", "1?b", "a@/b", "a%b", "9042/h?b"])
def test_a_password_in_cassandras_url_is_told_how_it_is_written(password: str) -> None:
    (fault,) = faults_of({"KESHIKOMI_HISTORY": f"cassandra://me:{password}@one/history?tls=true"})

    assert "in a password within a URL write / as %2F, ? as %3F, # as %23, @ as %40" in fault
    assert password not in fault


@pytest.mark.parametrize("password", ["a/b", "a@b", "a:b", "a%b", "a?b", "a#b", "a,b", "a[b"])
def test_a_password_in_kafkas_url_is_told_where_it_belongs(password: str) -> None:
    (fault,) = faults_of({"KESHIKOMI_BROKER": f"kafka://user:{password}@one:9092"})

    assert fault == (
        "KESHIKOMI_BROKER: it must be kafka://HOST:PORT[,HOST:PORT...]; who signs in is named by "
        "KESHIKOMI_KAFKA_USERNAME and KESHIKOMI_KAFKA_PASSWORD, written as they are"
    )


def test_a_broker_may_have_an_address_of_ipv6() -> None:
    settings = read({"KESHIKOMI_BROKER": "kafka://[::1]:9094,[fe80::1]", **NAMED}, {})

    assert settings.kafka is not None
    assert settings.kafka.servers == ("[::1]:9094", "[fe80::1]:9092")
