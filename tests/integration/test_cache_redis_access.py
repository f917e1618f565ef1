"""Who is let in to Redis, and which Redis the product stands on: password, TLS, version, check."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.cache import redis as driver
from connectors.cache.redis import RedisCache
from ops.check import check
from ops.checking import Finding
from ops.settings import Settings
from ops.stack.redis import RedisServer
from ops.stack.server import free_port
from streams.clock import system_clock
from streams.domain.errors import Unavailable
from tests.redis_servers import a_redis, client_of

pytestmark = pytest.mark.integration

CALL_SECONDS = 2.0

Open = Callable[..., RedisCache]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with a_redis(tmp_path / "redis") as started:
        yield started


@pytest.fixture
async def open_redis() -> AsyncIterator[Open]:
    opened: list[RedisCache] = []

    def opening(url: str, password: str = "") -> RedisCache:
        opened.append(RedisCache(url, password=password, call_seconds_max=CALL_SECONDS))
        return opened[-1]

    yield opening
    for cache in opened:
        await cache.close()


async def test_the_version_is_told_and_an_absent_server_is_unavailable(
    open_redis: Open, server: RedisServer
) -> None:
    cache = open_redis(server.url)
    assert int((await cache.version()).split(".")[0]) >= driver.VERSION_MIN

    server.freeze()
    with pytest.raises(Unavailable, match="no answer in time"):
        await cache.version()
    server.kill()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        await cache.version()


async def test_an_old_server_is_unavailable(
    open_redis: Open, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "VERSION_MIN", 99)

    with pytest.raises(Unavailable, match="is older than 99"):
        await open_redis(server.url).version()


async def test_the_password_comes_from_the_url_or_from_beside_it(
    open_redis: Open, server: RedisServer
) -> None:
    url = server.url
    with client_of(server) as client:
        client.config_set("requirepass", "p@ss:word")
    beside = open_redis(url, password="p@ss:word")
    within = open_redis(url.replace("//", "//:p%40ss%3Aword@"), password="another")
    without = open_redis(url)

    await beside.put("a", b"1", seconds=60)

    assert [await within.get("a"), await without.get("a")] == [b"1", None]
    with pytest.raises(Unavailable, match="Authentication"):
        await without.version()


async def test_a_check_of_the_product_tries_its_redis(tmp_path: Path, server: RedisServer) -> None:
    async def found() -> Finding:
        settings = Settings(data=tmp_path / "data", cache=server.url)
        findings = await check(settings)
        return next(finding for finding in findings if finding.name == "cache")

    well = await found()
    assert well.sentence.startswith("Redis 7.")
    assert not well.is_fault

    with client_of(server) as client:
        client.config_set("maxmemory", "1")
    full = await found()
    assert "does not give back" in full.sentence
    assert full.is_fault


async def test_tls_is_verified(
    tmp_path: Path, open_redis: Open, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, certificate = open_to_tls(server, tmp_path)

    with pytest.raises(Unavailable, match="certificate verify failed: self"):
        await open_redis(f"rediss://localhost:{port}").version()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(Unavailable, match="certificate is not valid for '127"):
        await open_redis(f"rediss://127.0.0.1:{port}").version()
    by_name = open_redis(f"rediss://localhost:{port}")
    assert await by_name.version()
    await by_name.put("a", b"1", seconds=60)
    assert await by_name.get("a") == b"1"


async def test_tls_and_a_port_without_it_are_named_as_such_either_way(
    tmp_path: Path, open_redis: Open, server: RedisServer
) -> None:
    port, _ = open_to_tls(server, tmp_path)
    with client_of(server) as client:
        client.config_set("requirepass", "hunter2")

    with pytest.raises(Unavailable) as plain:
        await open_redis(f"rediss://:hunter2@127.0.0.1:{server.port}").version()
    assert str(plain.value) == (
        f"redis: port {server.port} of 127.0.0.1 speaks no TLS, so there was no handshake: "
        "it is for redis://, not rediss://"
    )
    with pytest.raises(Unavailable) as guarded:
        await open_redis(f"redis://:hunter2@127.0.0.1:{port}").version()
    assert str(guarded.value) == (
        f"redis: port {port} of 127.0.0.1 speaks TLS only: it is for rediss://, not redis://"
    )


def open_to_tls(server: RedisServer, directory: Path) -> tuple[int, Path]:
    """Another port of the server, with TLS, and the certificate that it shows for localhost."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    write_certificate(key, certificate, name="localhost")
    port = free_port()
    with client_of(server) as client:
        client.config_set("tls-auth-clients", "no")
        client.config_set(
            "tls-cert-file", str(certificate), "tls-key-file", str(key), "tls-port", port
        )
    return port, certificate


def write_certificate(key_path: Path, certificate_path: Path, *, name: str) -> None:
    """A certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(system_clock() - timedelta(days=1))
        .not_valid_after(system_clock() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
