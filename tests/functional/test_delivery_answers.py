"""Whatever a receiver answers is recorded, in bounds, and only its status counts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from connectors.answering import KEPT_BYTES_MAX
from connectors.exchanging import ANSWER_BYTES_MAX
from streams.clock import system_clock
from tests.functional.test_delivery_sender import (
    attempt_at,
    raw_receiver,
    read_request,
    receiver,
    send_once,
    sender,
)


@pytest.mark.parametrize("status", [200, 201, 204, 400, 404, 410, 429, 500, 503, 599])
async def test_every_status_is_recorded_with_its_answer(status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text=None if status == 204 else "why")

    async with receiver(handler) as url:
        attempt = await send_once(url)

    assert attempt.status_code == status
    assert attempt.error is None
    assert attempt.answer == ("" if status == 204 else "why")


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_in_seconds_is_kept_and_ignored_on_success(status: int) -> None:
    statuses = [status, 200]

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=statuses.pop(0), headers={"retry-after": "120"})

    async with receiver(handler) as url, sender() as webhooks:
        failed = await attempt_at(url, webhooks)
        succeeded = await attempt_at(url, webhooks)

    assert failed.retry_after_seconds == 120
    assert succeeded.retry_after_seconds is None


async def test_retry_after_as_a_date_is_kept_as_seconds() -> None:
    async def handler(request: web.Request) -> web.Response:
        moment = system_clock() + timedelta(seconds=300)
        text = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return web.Response(status=503, headers={"retry-after": text})

    async with receiver(handler) as url:
        attempt = await send_once(url)

    assert attempt.retry_after_seconds is not None
    assert 290 <= attempt.retry_after_seconds <= 300


async def test_the_answer_is_cut_and_decoded_without_fuss() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b"\xff\x00" + "é".encode() * 2_000)

    async with receiver(handler) as url:
        attempt = await send_once(url)

    assert attempt.answer.startswith("\ufffd\ufffdéé")
    assert len(attempt.answer.encode()) <= KEPT_BYTES_MAX + 8


async def test_an_endless_answer_is_dropped_after_a_while_and_its_status_counts() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with raw_receiver(talk) as (url, _):
        attempt = await send_once(url)

    assert attempt.status_code == 200
    assert attempt.answer == "x" * KEPT_BYTES_MAX
    assert attempt.duration_ms < 1_000


async def test_a_compressed_answer_is_not_blown_up() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.headers["accept-encoding"])
        return web.Response(body=b"not gzip at all", headers={"content-encoding": "gzip"})

    async with receiver(handler) as url:
        attempt = await send_once(url)

    assert asked == ["identity"]
    assert attempt.status_code == 200
    assert attempt.answer == "not gzip at all"


@pytest.mark.parametrize("rest", [b"begun", b""])
async def test_a_slow_answer_is_let_go_and_its_status_counts(rest: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + rest)
        await reader.read()

    async with raw_receiver(talk) as (url, _), sender(answer_seconds=0.05) as webhooks:
        attempt = await attempt_at(url, webhooks)

    assert attempt.status_code == 200
    assert attempt.error is None
    assert attempt.answer == rest.decode()
    assert attempt.duration_ms < 2_000


async def test_an_answer_that_breaks_off_still_has_its_status() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 500 Oh\r\ncontent-length: 100\r\n\r\nhalf")
        writer.close()

    async with raw_receiver(talk) as (url, _):
        attempt = await send_once(url)

    assert attempt.status_code == 500


async def test_an_answer_can_acknowledge_within_what_is_read_of_it_and_only_with_success() -> None:
    released = '"released_at": "2026-11-24T10:15:00.5+09:00"}'
    answers = [
        (200, "{" + released),
        (200, '{"x": "' + "x" * 2 * KEPT_BYTES_MAX + '", ' + released),
        (200, '{"x": "' + "x" * ANSWER_BYTES_MAX + '", ' + released),
        (500, "{" + released),
    ]

    async def handler(request: web.Request) -> web.Response:
        status, text = answers.pop(0)
        return web.Response(status=status, text=text)

    async with receiver(handler) as url, sender() as webhooks:
        found = [(await attempt_at(url, webhooks)).released_at for _ in list(answers)]

    moment = datetime(2026, 11, 24, 1, 15, 0, 500_000, tzinfo=UTC)
    assert found == [moment, moment, None, None]
