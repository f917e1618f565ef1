"""What a request of a webhook is made of, and how long its connection is kept."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import cast

import pytest

from connectors import connecting
from connectors.connecting import KEPT_LONG_MAX
from connectors.webhooks import WebhookSender
from streams.domain.delivery import Target
from streams.domain.signing import SigningKey
from tests.conftest import Eventually
from tests.functional.test_delivery_safety import tls_of
from tests.functional.test_delivery_sender import (
    BODY,
    SECRET,
    answer_ok,
    attempt_at,
    raw_receiver,
    read_request,
    sender,
)

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
TCP_ESTABLISHED = b"\x01"

# --- what is sent


async def test_no_header_ends_its_line() -> None:
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(len(BODY))
            writer.write(OK)

    own = {"X-Own": "a\r\nhost: evil", "X-Name\r\nhost": "evil", "X-Good": "1", "Host": "evil"}
    async with raw_receiver(talk) as (url, port), sender() as webhooks:
        attempt = await attempt_at(url, webhooks, headers=own)
        refused = await webhooks.send(
            target=Target(url=url, keys=[SigningKey(SECRET)]),
            webhook_id="evt_1\r\nhost: evil",
            body=BODY,
            traceparent=None,
            number=1,
        )

    assert (attempt.status_code, refused.status_code) == (200, None)
    assert refused.error == "header_not_allowed"
    assert len(heads) == 1
    assert b"evil" not in heads[0]
    assert b"\r\nX-Good: 1\r\n" in heads[0]
    assert heads[0].count(f"\r\nhost: 127.0.0.1:{port}\r\n".encode()) == 1
    assert b"\r\ncontent-length: %d\r\n" % len(BODY) in heads[0]


# --- how long connections are kept


async def test_what_a_burst_opened_goes_soon_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    burst = KEPT_LONG_MAX + 5
    barrier, gone = asyncio.Barrier(burst), asyncio.Semaphore(0)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await barrier.wait()
        writer.write(OK)
        await reader.read()
        gone.release()

    monkeypatch.setattr(connecting, "BURST_SECONDS", 0.01)
    async with raw_receiver(talk) as (url, _), sender() as webhooks:
        await asyncio.gather(*(attempt_at(url, webhooks) for _ in range(burst)))
        for _ in range(5):
            await asyncio.wait_for(gone.acquire(), 5)
        assert gone.locked()
        monkeypatch.setattr(connecting, "KEEP_ALIVE_SECONDS", 0.01)
        for _ in range(KEPT_LONG_MAX):
            await asyncio.wait_for(gone.acquire(), 5)


@pytest.mark.parametrize(("seconds_max", "connections"), [(60.0, 1), (0.0, 3)])
async def test_a_connection_that_is_old_is_not_kept_again_however_busy_it_is(
    monkeypatch: pytest.MonkeyPatch, seconds_max: float, connections: int
) -> None:
    """Its host may have another address by now."""
    opened, gone = 0, asyncio.Semaphore(0)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        while await answers(reader, writer):
            pass
        gone.release()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            await answer_ok(reader, writer)
        except asyncio.IncompleteReadError:
            return False
        return True

    monkeypatch.setattr(connecting, "CONNECTION_SECONDS_MAX", seconds_max)
    async with raw_receiver(talk) as (url, _), sender() as webhooks:
        attempts = [await attempt_at(url, webhooks) for _ in range(3)]
        for _ in range(connections if connections > 1 else 0):
            await asyncio.wait_for(gone.acquire(), 5)

    assert [each.status_code for each in attempts] == [200] * 3
    assert opened == connections


async def test_closing_the_sender_ends_what_is_kept_and_what_is_under_way() -> None:
    ended = asyncio.Semaphore(0)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_ok(reader, writer)
        await reader.read()
        ended.release()

    async with raw_receiver(talk) as (url, _):
        made: WebhookSender
        async with sender() as made:
            await attempt_at(url, made)
        await asyncio.wait_for(ended.acquire(), 5)


async def test_a_connection_that_is_not_kept_is_gone_whatever_the_receiver_does(
    tmp_path: Path, eventually: Eventually
) -> None:
    sockets: list[socket.socket] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        sockets.append(writer.get_extra_info("socket"))
        cast("asyncio.Transport", writer.transport).pause_reading()  # the end of TLS is not seen
        writer.write(OK.replace(b"OK", b"OK\r\nconnection: close"))

    def is_gone() -> bool:
        return sockets[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != TCP_ESTABLISHED

    server_side, trusting = tls_of(tmp_path, host="localhost")
    async with (
        raw_receiver(talk, tls=server_side) as (_, port),
        sender(ssl_context=trusting) as webhooks,
    ):
        attempt = await attempt_at(f"https://127.0.0.1:{port}/", webhooks)
        await eventually(is_gone)

    assert attempt.status_code == 200
