"""A file of TLS that is not there, or holds nothing of use, is named, with what it must be."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest

from connectors.cache import redis_reasons
from connectors.history.opening import look_at
from connectors.kafka.connection import KafkaConnection
from ops.check import check
from ops.settings import BadSettings, Settings, read
from streams.domain.errors import Unavailable
from tests.history_engines import an_open_history

TLS = {
    "KESHIKOMI_BROKER": "kafka://127.0.0.1:1",
    "KESHIKOMI_KAFKA_TLS": "true",
    "KESHIKOMI_HISTORY": "sqlite://DATA/history.db",
}
ABSENT = "cannot be read: No such file or directory; name a file in PEM that this user may read"
CASSANDRA = "cassandra://user:hunter2@127.0.0.1:1/history?tls=true&ca="


def faults_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(BadSettings) as caught:
        read(environment, {})
    return caught.value.faults


def test_a_file_of_kafka_that_is_not_there_is_a_fault_of_its_own(tmp_path: Path) -> None:
    absent, certificate = str(tmp_path / "absent"), tmp_path / "certificate.pem"
    certificate.touch()

    assert faults_of(TLS | {"KESHIKOMI_KAFKA_CA_FILE": absent}) == (
        f"KESHIKOMI_KAFKA_CA_FILE: {absent!r} {ABSENT}",
    )
    both = {
        "KESHIKOMI_KAFKA_CERTIFICATE_FILE": str(certificate),
        "KESHIKOMI_KAFKA_KEY_FILE": absent,
    }
    assert faults_of(TLS | both) == (f"KESHIKOMI_KAFKA_KEY_FILE: {absent!r} {ABSENT}",)
    swapped = dict(zip(both, reversed(both.values()), strict=True))
    assert faults_of(TLS | swapped) == (f"KESHIKOMI_KAFKA_CERTIFICATE_FILE: {absent!r} {ABSENT}",)


def test_an_authority_of_cassandra_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    absent = tmp_path / "absent"

    (fault,) = faults_of({"KESHIKOMI_HISTORY": f"{CASSANDRA}{absent}"})

    assert fault == f"KESHIKOMI_HISTORY: its ca, {absent}, {ABSENT}"
    assert "hunter2" not in fault


@pytest.fixture
def no_certificate(tmp_path: Path) -> Path:
    path = tmp_path / "text"
    path.write_text("no certificate")
    return path


def test_kafka_names_an_authority_that_is_none(no_certificate: Path) -> None:
    connection = KafkaConnection(servers=("one:1",), tls=True, ca_file=str(no_certificate))

    with pytest.raises(Unavailable) as refused:
        connection.ssl_context()

    assert str(refused.value) == (
        f"Kafka's authority cannot be read from {no_certificate}: no certificate or crl found; "
        "name a file in PEM that this user may read"
    )


async def test_cassandra_names_an_authority_that_is_none(no_certificate: Path) -> None:
    told = f"Cassandra's authority cannot be read from {no_certificate}: no certificate or crl"

    with pytest.raises(Unavailable, match=told):
        look_at(f"{CASSANDRA}{no_certificate}", (), retention_days=1)
    async with an_open_history(f"{CASSANDRA}{no_certificate}") as history:
        with pytest.raises(Unavailable, match=told):
            await history.command("req_none")


async def test_a_check_names_both_authorities(no_certificate: Path, tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path / "data",
        broker="kafka://127.0.0.1:1",
        kafka_tls=True,
        kafka_ca_file=str(no_certificate),
        history=f"{CASSANDRA}{no_certificate}",
    )

    findings = await check(settings)

    faults = [one.sentence for one in findings if one.is_fault and one.name in {"log", "history"}]
    assert len(faults) == 2
    assert all(f"cannot be read from {no_certificate}" in sentence for sentence in faults)


async def test_redis_tells_where_its_authority_comes_from() -> None:
    refused = ssl.SSLCertVerificationError("unable to get local issuer certificate")

    told = await redis_reasons.reason_of(refused, "rediss://127.0.0.1:1")

    assert told == f"{refused}; {redis_reasons.AUTHORITY}"
    assert "SSL_CERT_FILE" in told
