"""What an endpoint wishes is what its receiver sees: time, headers, how much of an answer."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from connectors.exchanging import ANSWER_BYTES_MAX
from streams.domain.signing import Signing, SigningKey
from tests.functional.test_delivery_sender import (
    SECRET,
    attempt_at,
    raw_receiver,
    receiver,
    send_once,
    sender,
)


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_an_endpoint_may_have_less_time_than_the_standard_or_more() -> None:
    async with raw_receiver(hangs) as (url, _), sender(total_seconds=5.0) as webhooks:
        less = await attempt_at(url, webhooks, timeout_seconds=0.1)
    async with raw_receiver(hangs) as (url, _), sender(total_seconds=0.1) as webhooks:
        more = await attempt_at(url, webhooks, timeout_seconds=0.5)

    assert (less.error, more.error) == ("timeout", "timeout")
    assert 90 <= less.duration_ms < 4_000
    assert more.duration_ms >= 490


async def test_headers_of_ours_win_in_whatever_letters_they_are_given() -> None:
    received: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        received.append(request)
        return web.Response()

    # The API refuses such names; the sender does not depend on it.
    asked = {
        "Webhook-ID": "evt_forged", "USER-AGENT": "x", "Content-Type": "text/plain", "X-Own": "1",
        "Traceparent": "x",
    }  # fmt: skip
    async with receiver(handler) as url, sender() as webhooks:
        await attempt_at(url, webhooks, headers=asked)

    headers = received[0].headers
    assert headers.getall("webhook-id") == ["evt_1"]
    assert headers.getall("user-agent") == ["keshikomi/1.2.3"]
    assert headers.getall("content-type") == ["application/json"]
    assert len(headers.getall("traceparent")) == 1
    assert headers["traceparent"] != "x"
    assert headers.getall("x-own") == ["1"]


async def test_signatures_of_both_kinds_come_in_the_order_of_the_keys() -> None:
    received: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        received.append(request.headers["webhook-signature"])
        return web.Response()

    keys = [SigningKey(SECRET, Signing.V1A), SigningKey(SECRET)]
    async with receiver(handler) as url, sender() as webhooks:
        await attempt_at(url, webhooks, keys=keys)

    assert [each.split(",")[0] for each in received[0].split(" ")] == ["v1a", "v1"]


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=status, headers={"location": "/elsewhere"})

    async with receiver(handler) as url:
        attempt = await send_once(url)

    assert (attempt.status_code, attempt.error) == (status, None)
    assert paths == ["/hook"]


@pytest.mark.parametrize(
    ("size_bytes", "connections"), [(ANSWER_BYTES_MAX - 1, 1), (ANSWER_BYTES_MAX * 4, 2)]
)
async def test_more_than_16_kib_of_an_answer_costs_the_connection(
    size_bytes: int, connections: int
) -> None:
    seen: set[object] = set()

    async def handler(request: web.Request) -> web.Response:
        seen.add(request.transport)
        return web.Response(body=b"x" * size_bytes)

    async with receiver(handler) as url, sender() as webhooks:
        attempts = [await attempt_at(url, webhooks) for _ in range(2)]

    assert [attempt.status_code for attempt in attempts] == [200, 200]
    assert len(seen) == connections
