"""A Kafka that lets in only who proves who they are: by a password over TLS, or a certificate."""

from __future__ import annotations

import gc
import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.kafka.connection import SCHEME, KafkaConnection
from ops.stack.kafka import JARS, KafkaServer, Member
from ops.stack.server import LOOPBACK, free_port
from streams.clock import system_clock
from tests.real_engines import JAR_CACHE, need_java, running

USER, PASSWORD = "keshikomi", "sesame-of-the-test"
WRONG_PASSWORD = "open-says-me"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its private key, each in a PEM file, and both in one for a server."""

    certificate: Path
    key: Path
    both: Path


class Authority:
    """Signs certificates; whoever trusts `certificate` trusts them."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("authority")
        signed = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = directory / "authority.pem"
        self.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str, *, address: str = LOOPBACK) -> Pair:
        """A new key, and a certificate for it that is good at this address alone."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        signed = (
            _builder(_named(name), self._name, key.public_key())
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        text = signed.public_bytes(serialization.Encoding.PEM)
        secret = pem_of(key)
        pair = Pair(
            certificate=self._directory / f"{name}.pem",
            key=self._directory / f"{name}.key",
            both=self._directory / f"{name}-both.pem",
        )
        pair.certificate.write_bytes(text)
        pair.key.write_bytes(secret)
        pair.both.write_bytes(secret + text)
        return pair


def pem_of(key: ec.EllipticCurvePrivateKey, *, password: bytes | None = None) -> bytes:
    """A private key as a file, locked when a password is given."""
    locked = serialization.BestAvailableEncryption(password) if password else None
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        locked or serialization.NoEncryption(),
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(system_clock() - timedelta(days=1))
        .not_valid_after(system_clock() + timedelta(days=1))
    )


class GuardedKafka:
    """One broker with a port for each way to prove who one is, and one for its own machine."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory / "authority")
        self.client = self.authority.sign("client")
        member = Member(node_id=1)
        self.ports = {
            "PLAINTEXT": member.port,
            "SCRAM": free_port(),
            "PLAIN": free_port(),
            "CERTIFICATE": free_port(),
        }
        self.server = KafkaServer(
            directory / "kafka",
            jar_cache=JAR_CACHE,
            member=member,
            options=self._options(member.controller_port),
            passwords={USER: PASSWORD},
        )

    def _options(self, controller_port: int) -> dict[str, str]:
        listeners = ",".join(f"{name}://{LOOPBACK}:{port}" for name, port in self.ports.items())
        package = "org.apache.kafka.common.security"
        scram = f"{package}.scram.ScramLoginModule required;"
        plain = f'{package}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        return {
            "listeners": f"{listeners},CONTROLLER://{LOOPBACK}:{controller_port}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
                "SCRAM:SASL_SSL,PLAIN:SASL_SSL,CERTIFICATE:SSL"
            ),
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.scram.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.scram.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.plain.plain.sasl.jaas.config": plain,
            "listener.name.certificate.ssl.client.auth": "required",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.authority.sign("broker").both),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
        }

    def by_password(self, mechanism: str) -> KafkaConnection:
        """How the one user signs in over TLS."""
        port = self.ports["PLAIN" if mechanism == "PLAIN" else "SCRAM"]
        return KafkaConnection(
            servers=(f"{LOOPBACK}:{port}",),
            tls=True,
            ca_file=str(self.authority.certificate),
            username=USER,
            password=PASSWORD,
            mechanism=mechanism,
        )

    def by_certificate(self) -> KafkaConnection:
        """How a client with a certificate of its own is let in (mTLS)."""
        return KafkaConnection(
            servers=(f"{LOOPBACK}:{self.ports['CERTIFICATE']}",),
            tls=True,
            ca_file=str(self.authority.certificate),
            certificate_file=str(self.client.certificate),
            key_file=str(self.client.key),
        )


WAYS: dict[str, Callable[[GuardedKafka], KafkaConnection]] = {
    "SCRAM-SHA-256": lambda kafka: kafka.by_password("SCRAM-SHA-256"),
    "SCRAM-SHA-512": lambda kafka: kafka.by_password("SCRAM-SHA-512"),
    "PLAIN": lambda kafka: kafka.by_password("PLAIN"),
    "certificate": GuardedKafka.by_certificate,
}


def environment_of(connection: KafkaConnection) -> dict[str, str]:
    """The settings that an operator makes for this connection."""
    return {
        "KESHIKOMI_BROKER": SCHEME + ",".join(connection.servers),
        "KESHIKOMI_KAFKA_REPLICATION": "1",
        "KESHIKOMI_HISTORY": "sqlite://DATA/history.db",
        "KESHIKOMI_KAFKA_TLS": str(connection.tls).lower(),
        "KESHIKOMI_KAFKA_CA_FILE": connection.ca_file or "",
        "KESHIKOMI_KAFKA_CERTIFICATE_FILE": connection.certificate_file or "",
        "KESHIKOMI_KAFKA_KEY_FILE": connection.key_file or "",
        "KESHIKOMI_KAFKA_USERNAME": connection.username or "",
        "KESHIKOMI_KAFKA_PASSWORD": connection.password,
        "KESHIKOMI_KAFKA_MECHANISM": connection.mechanism,
    }


@contextmanager
def a_guarded_kafka(directory: Path) -> Iterator[GuardedKafka]:
    """A server that is usable, until the block ends."""
    need_java(JARS)
    guarded = GuardedKafka(directory)
    for _ in running(guarded.server):
        yield guarded


@pytest.fixture(scope="module", name="kafka")
def guarded_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    """One for the tests of a file."""
    with a_guarded_kafka(tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


@pytest.fixture
def leaves_nothing() -> Iterator[None]:
    """A socket or an error that is left to the collector fails this test and not a later one."""
    yield
    gc.collect()
