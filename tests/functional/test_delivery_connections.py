"""What goes over a connection of a webhook, and when it serves another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from connectors import exchanging
from streams.domain.delivery import Attempt
from tests.functional.test_delivery_sender import (
    answer_ok,
    attempt_at,
    raw_receiver,
    read_request,
    send_once,
    sender,
)

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nretry-after: 7\r\n\r\n"


async def said(*answers: bytes) -> tuple[list[Attempt], int]:
    """Attempts one after the other at a receiver that says this to each, and its connections."""
    connections, left = 0, list(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while left:
            await read_request(reader)
            writer.write(left.pop(0))
        await reader.read()

    async with raw_receiver(talk) as (url, _), sender(answer_seconds=0.1) as webhooks:
        attempts = [await attempt_at(url, webhooks) for _ in answers]
    return attempts, connections


# --- answers of every kind


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "ok"),
        (b"HTTP/1.1 200\r\nContent-Length:2\r\n\r\nok", 200, "ok"),
        (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", 200, "ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, ""),
        (
            CHUNKED + b"1;a=b\r\no\r\n1\r\nk\r\n0\r\nx-last: 1\r\n\r\n",
            200,
            "ok",
        ),
        (CHUNKED[:-2] + b"content-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, ""),
        (
            HINTS + b"HTTP/1.1 503 Not Now\r\ncontent-length: 3\r\n\r\nwhy",
            503,
            "why",
        ),
    ],
    ids=["plain", "terse", "bare-lf", "204", "304", "chunked", "both", "continue", "hints"],
)
async def test_a_whole_answer_leaves_the_connection_for_the_next_one(
    answer: bytes, status: int, text: str
) -> None:
    attempts, connections = await said(answer, OK)

    assert [(each.status_code, each.error) for each in attempts] == [(status, None), (200, None)]
    assert attempts[0].answer == text
    assert attempts[0].retry_after_seconds is None
    assert connections == 1


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok"),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 2\r\n\r\nok", "ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil it ends", "until it ends"),
        (OK + b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", ""),
        (OK + b"and more", ""),
        (CHUNKED + b"2\r\nok\r\nnonsense\r\n", "ok"),
        (OK[:-2] + b"Content-Length:0\r\n\r\n", ""),
    ],
    ids=[
        "http-1.0",
        "close",
        "unframed",
        "two-answers",
        "more",
        "broken-chunk",
        "two-lengths",
    ],
)
async def test_an_answer_that_ends_its_connection_counts(answer: bytes, text: str) -> None:
    attempts, connections = await said(answer, OK)

    assert [(each.status_code, each.error) for each in attempts] == [(200, None)] * 2
    assert attempts[0].answer == text
    assert connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 000 None\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 20\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\ncontent-length: x\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["no-status", "two-digits", "announced", "nonsense"],
)
async def test_what_says_no_status_is_no_answer_after_a_good_one_either(answer: bytes) -> None:
    attempts, _ = await said(OK, answer)

    assert [each.error for each in attempts] == [None, "answer_not_http"]


async def test_a_switch_of_protocols_that_nobody_asked_for_is_an_answer() -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n\x01"
    attempts, _ = await said(switch)

    assert (attempts[0].status_code, attempts[0].error) == (101, None)


async def test_an_answer_that_comes_byte_by_byte_is_read() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for place in range(len(slowly)):
            writer.write(slowly[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0)

    slowly = b"HTTP/1.1 429 Slow\r\nretry-after: 9\r\ncontent-length: 4\r\n\r\nlate"
    async with raw_receiver(talk) as (url, _):
        attempt = await send_once(url)

    assert (attempt.status_code, attempt.answer, attempt.retry_after_seconds) == (429, "late", 9)


async def test_announcements_without_end_are_no_answer() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        while True:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            await writer.drain()

    async with raw_receiver(talk) as (url, _):
        attempt = await send_once(url)

    assert (attempt.status_code, attempt.error) == (None, "answer_not_http")


async def test_chunks_that_say_nothing_do_not_go_on_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(CHUNKED)
        while not writer.is_closing():
            writer.write(b"1;" + b"x" * 1_000 + b"\r\no\r\n")
            await writer.drain()

    monkeypatch.setattr(exchanging, "FRAMING_TIMES_MAX", 1)
    async with raw_receiver(talk) as (url, _), sender(answer_seconds=60.0) as webhooks:
        attempt = await attempt_at(url, webhooks, timeout_seconds=60)

    assert attempt.status_code == 200
    assert 0 < len(attempt.answer) < 1_000


# --- bytes that nobody asked for


async def test_who_speaks_before_the_request_has_not_answered_it() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        if not ended.is_set():
            await answered.wait()
            writer.write(b"HTTP/1.1 500 Forged\r\ncontent-length: 0\r\n\r\n")
        await reader.read()
        ended.set()

    answered, ended = asyncio.Event(), asyncio.Event()
    async with raw_receiver(talk) as (url, _), sender() as webhooks:
        first = await attempt_at(url, webhooks)
        answered.set()
        await asyncio.wait_for(ended.wait(), 5)  # what spoke out of turn was let go at once
        second = await attempt_at(url, webhooks)

    assert [first.status_code, second.status_code] == [200, 200]
    assert second.connect_ms is not None


async def test_a_server_of_another_kind_that_speaks_first_is_named() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        await reader.read()

    async with raw_receiver(talk) as (url, _):
        attempt = await send_once(url)

    assert (attempt.status_code, attempt.error) == (None, "answer_not_http")


# --- what a connection that breaks means


async def at_kept(then: Callable[[asyncio.StreamWriter], None]) -> tuple[list[Attempt], int]:
    """Two attempts; at the second one on its connection, the receiver does something else."""
    requests = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await answer_ok(reader, writer)
        requests += 1
        await read_request(reader)
        requests += 1
        then(writer)

    async with raw_receiver(talk) as (url, _), sender() as webhooks:
        return [await attempt_at(url, webhooks) for _ in range(2)], requests


async def test_a_reset_of_a_kept_connection_is_tried_again_on_a_new_one() -> None:
    attempts, requests = await at_kept(lambda writer: writer.transport.abort())

    assert [each.status_code for each in attempts] == [200, 200]
    assert requests == 3


async def test_a_kept_connection_that_began_to_answer_is_not_tried_again() -> None:
    def half(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 O")
        writer.close()

    attempts, requests = await at_kept(half)

    assert [each.error for each in attempts] == [None, "connection_closed"]
    assert requests == 2


async def test_an_attempt_that_is_cancelled_takes_its_connection_along() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()
        ended.set()

    arrived, ended = asyncio.Event(), asyncio.Event()
    async with raw_receiver(talk) as (url, _), sender(connections_max=1) as webhooks:
        attempt = asyncio.create_task(attempt_at(url, webhooks))
        await arrived.wait()
        attempt.cancel()
        await asyncio.wait_for(ended.wait(), 5)
        with pytest.raises(asyncio.CancelledError):
            await attempt
