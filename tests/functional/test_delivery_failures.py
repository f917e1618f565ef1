"""When no answer comes, the attempt says why in stable words."""

from __future__ import annotations

import asyncio
import socket

import pytest

from connectors import connecting
from connectors.webhooks import WebhookSender
from streams.clock import system_clock
from tests.functional.test_delivery_sender import (
    attempt_at,
    raw_receiver,
    read_request,
    send_once,
    sender,
)


async def test_a_receiver_that_hangs_times_out() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_receiver(talk) as (url, _), sender(total_seconds=0.1) as webhooks:
        attempt = await attempt_at(url, webhooks)

    assert attempt.status_code is None
    assert attempt.error == "timeout"
    assert attempt.duration_ms >= 90


async def test_what_the_event_loop_says_of_a_socket_is_a_failed_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("File descriptor 7 is used by transport")

    monkeypatch.setattr(connecting, "start_connection", refuse)
    attempt = await send_once("http://127.0.0.1:9/")

    assert attempt.error == "connection_failed"


async def test_a_refused_connection_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening, so that nobody else is there
        attempt = await send_once(f"http://127.0.0.1:{taken.getsockname()[1]}/")

    assert attempt.status_code is None
    assert attempt.error == "connection_refused"


async def test_a_connection_that_nobody_accepts_times_out() -> None:
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for filler in (first, second):  # the queue is full with these
            filler.setblocking(False)  # noqa: FBT003  # the standard library's own way
            filler.connect_ex(deaf.getsockname())
        made = WebhookSender(
            clock=system_clock, version="1", allow_private=True, connect_seconds=0.1
        )
        await made.start()
        attempt = await attempt_at(f"http://127.0.0.1:{deaf.getsockname()[1]}/", made)
        await made.close()

    assert attempt.error == "connect_timeout"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "connection_closed"),
        (b"220 mail.example.com ESMTP\r\n\r\n", "answer_not_http"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "answer_not_http"),
        (b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 10_000, "answer_not_http"),
        (b"HTTP/1.1 200 OK\r\nx-a: " + b"b" * 100_000, "answer_not_http"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "answer_not_http"),
        (b"HTTP/1.1 200 OK\r\nx-a", "connection_closed"),
    ],
    ids=["nothing", "mail", "status", "headers", "long-header", "lengths", "half"],
)
async def test_what_is_not_an_answer_is_named(said: bytes, error: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(said)
        writer.close()

    async with raw_receiver(talk) as (url, _):
        attempt = await send_once(url)

    assert attempt.status_code is None
    assert attempt.error == error


async def test_endless_headers_end_the_attempt() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: and more\r\n" * 100)
            await writer.drain()

    async with raw_receiver(talk) as (url, _):
        attempt = await send_once(url)

    assert attempt.error == "answer_not_http"


async def test_an_idle_connection_that_the_receiver_lets_go_is_no_failure() -> None:
    requests: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        requests.append(1)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await read_request(reader)
        requests.append(2)
        writer.close()  # the second request on the same connection finds it closed

    async with raw_receiver(talk) as (url, _), sender() as webhooks:
        attempts = [await attempt_at(url, webhooks) for _ in range(2)]

    assert [attempt.status_code for attempt in attempts] == [200, 200]
    assert requests == [1, 2, 1]


async def test_a_receiver_that_always_hangs_up_is_asked_once() -> None:
    connections: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        await read_request(reader)
        writer.close()

    async with raw_receiver(talk) as (url, _):
        attempt = await send_once(url)

    assert attempt.error == "connection_closed"
    assert connections == [1]
