"""Certificates are verified, and private addresses are never connected to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors import address_guard
from connectors.webhooks import WebhookSender
from tests.functional.test_delivery_sender import (
    answer_ok,
    attempt_at,
    raw_receiver,
    read_request,
    receiver,
    send_once,
    sender,
)


def certificate(folder: Path, *, host: str) -> Path:
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    names: list[x509.GeneralName] = [x509.DNSName(host), x509.IPAddress(IPv4Address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=3_650))
        .not_valid_after(now + timedelta(days=36_500))
        .add_extension(
            x509.SubjectAlternativeName(names[: 2 if host == "localhost" else 1]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def tls_of(folder: Path, *, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of that name speaks TLS with, and what a client that trusts it does."""
    path = certificate(folder, host=host)
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(path)
    return server_side, ssl.create_default_context(cafile=str(path))


@pytest.mark.parametrize(
    ("host", "is_trusted", "status", "error"),
    [
        ("localhost", True, 200, None),
        ("localhost", False, None, "tls: self_signed_certificate"),
        ("other.example.com", True, None, "tls: ip_address_mismatch"),
    ],
)
async def test_a_certificate_must_be_trusted_and_name_the_host(
    tmp_path: Path, host: str, *, is_trusted: bool, status: int | None, error: str | None
) -> None:
    server_side, trusting = tls_of(tmp_path, host=host)

    async with (
        raw_receiver(answer_ok, tls=server_side) as (_, port),
        sender(ssl_context=trusting if is_trusted else None) as webhooks,
    ):
        attempt = await attempt_at(f"https://127.0.0.1:{port}/", webhooks)

    assert attempt.status_code == status
    assert (attempt.error or "")[: len(error or "")] == (error or "")


async def test_a_receiver_that_does_not_speak_tls_is_named() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with raw_receiver(talk) as (_, port):
        attempt = await send_once(f"https://127.0.0.1:{port}/")

    assert attempt.status_code is None
    assert (attempt.error or "").startswith("tls: ")


# --- addresses


class FakeDns(AbstractResolver):
    """Fails as it is told first, then answers with the next addresses, the last ones for ever."""

    def __init__(self, *failures: OSError, addresses: Sequence[str] = ("127.0.0.1",)) -> None:
        self.failures, self.addresses = list(failures), list(addresses)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        if self.failures:
            raise self.failures.pop()
        found = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
            for address in found.split()
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "url",
    [
        "https://rebound.example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "http://shop.example.com/",
    ],
)
async def test_no_connection_is_made_to_a_private_address(url: str) -> None:
    async with sender(allow_private=False, resolver=FakeDns()) as webhooks:
        attempt = await attempt_at(url, webhooks)

    assert attempt.status_code is None
    assert attempt.error == "address_not_allowed"


# For once 127.0.0.1 plays a public server, and 127.0.0.2 a private one.


@asynccontextmanager
async def public_and_private(
    folder: Path, monkeypatch: pytest.MonkeyPatch, dns: FakeDns
) -> AsyncIterator[tuple[WebhookSender, int, list[str]]]:
    """A guarded sender, a port of both servers, and which of them heard something."""
    server_side, trusting = tls_of(folder, host="localhost")
    heard: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(str(writer.get_extra_info("sockname")[0]))
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    monkeypatch.setattr(address_guard, "REFUSED_IPV4", (IPv4Network("127.0.0.2/32"),))
    trusting.check_hostname = False  # names are not what this is about
    guarded = sender(allow_private=False, resolver=dns, ssl_context=trusting)
    every = "0.0.0.0"  # noqa: S104  # both addresses of loopback
    async with raw_receiver(talk, tls=server_side, host=every) as (_, port), guarded as webhooks:
        monkeypatch.setattr(address_guard, "PUBLIC_PORTS", (port,))
        yield webhooks, port, heard


async def test_a_name_that_moves_to_a_private_address_is_judged_again_at_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns = FakeDns(addresses=["127.0.0.1", "127.0.0.2", "127.0.0.1 127.0.0.2", "127.0.0.1"])
    async with public_and_private(tmp_path, monkeypatch, dns) as (webhooks, port, heard):
        url = f"https://shop.example.com:{port}/"
        attempts = [await attempt_at(url, webhooks) for _ in range(4)]

    refused = "address_not_allowed"
    assert [attempt.error for attempt in attempts] == [None, refused, refused, None]
    assert [attempt.status_code for attempt in attempts] == [200, None, None, 200]
    assert heard == ["127.0.0.1", "127.0.0.1"]


async def test_an_address_is_judged_at_connecting_also_when_its_url_was_found_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with public_and_private(tmp_path, monkeypatch, FakeDns()) as (webhooks, port, heard):
        before = await attempt_at(f"https://127.0.0.1:{port}/", webhooks)
        monkeypatch.setattr(address_guard, "REFUSED_IPV4", (IPv4Network("127.0.0.0/8"),))
        after = await attempt_at(f"https://127.0.0.1:{port}/", webhooks)

    assert (before.status_code, after.status_code) == (200, None)
    assert (after.error, after.address) == ("address_not_allowed", None)
    assert heard == ["127.0.0.1"]


async def test_an_unknown_host_is_named_and_asked_for_again_at_the_next_attempt() -> None:
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("cookie"))
        answer = web.Response(text=request.host)
        answer.set_cookie("session", "1")
        return answer

    dns = FakeDns(socket.gaierror(socket.EAI_NONAME, "unknown"))
    async with receiver(handler) as url, sender(resolver=dns) as webhooks:
        named = url.replace("127.0.0.1", "shop.example.com")
        attempts = [await attempt_at(named, webhooks) for _ in range(3)]

    assert [attempt.error for attempt in attempts] == ["dns: not_found", None, None]
    assert dns.asked == 2
    assert cookies == [None, None]
    assert attempts[2].answer.startswith("shop.example.com:")
