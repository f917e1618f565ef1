"""The sender against real receivers: whatever they do becomes a recorded attempt."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.signing import format_secret
from connectors.webhooks import WebhookSender
from streams.clock import system_clock
from streams.domain.delivery import Attempt, Target
from streams.domain.signing import SigningKey

SECRET, OLD_SECRET = bytes(range(32)), bytes(range(1, 33))
BODY = '{"type":"invoice.paid","data":{"name":"山田"}}'.encode()
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiver(handler: Handler) -> AsyncIterator[str]:
    """A real web server on loopback; gives its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_receiver(
    talk: Talk, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[str, int]]:
    """A server that speaks as `talk` says; gives its URL and port."""
    writers: list[asyncio.StreamWriter] = []
    tasks: list[asyncio.Task[None]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)

    server = await asyncio.start_server(connected, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/hook", port
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def sender(
    *,
    allow_private: bool = True,
    total_seconds: float = 5.0,
    answer_seconds: float = 1.0,
    resolver: AbstractResolver | None = None,
    ssl_context: ssl.SSLContext | None = None,
    **more: Any,
) -> AsyncIterator[WebhookSender]:
    made = WebhookSender(
        clock=system_clock,
        version="1.2.3",
        allow_private=allow_private,
        connect_seconds=1.0,
        total_seconds=total_seconds,
        answer_seconds=answer_seconds,
        resolver=resolver,
        ssl_context=ssl_context,
        **more,
    )
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def attempt_at(url: str, webhooks: WebhookSender, **more: Any) -> Attempt:
    """One attempt, as any endpoint without wishes has it unless `more` says otherwise."""
    return await webhooks.send(
        target=Target(**{"url": url, "keys": [SigningKey(SECRET)], **more}),
        webhook_id="evt_1",
        body=BODY,
        traceparent=TRACEPARENT,
        number=3,
    )


async def read_request(reader: asyncio.StreamReader) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(BODY))


async def answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def send_once(url: str) -> Attempt:
    async with sender() as webhooks:
        return await attempt_at(url, webhooks)


# --- what a receiver gets


async def test_a_receiver_can_verify_with_each_secret_of_a_rotation_and_no_other() -> None:
    received: list[tuple[dict[str, str], bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        received.append((dict(request.headers), await request.read()))
        return web.Response(text="thanks")

    before = system_clock()
    async with receiver(handler) as url, sender() as webhooks:
        keys = [SigningKey(SECRET), SigningKey(OLD_SECRET)]
        attempt = await attempt_at(url, webhooks, keys=keys)

    headers, body = received[0]
    assert body == BODY
    for secret in (SECRET, OLD_SECRET):
        Webhook(format_secret(secret)).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(format_secret(bytes(32))).verify(body, headers)
    assert attempt.status_code == 200
    assert attempt.error is None
    assert attempt.answer == "thanks"
    assert attempt.number == 3
    assert before <= attempt.at <= system_clock()
    assert 0 <= attempt.duration_ms < 5_000
    assert attempt.at.timestamp() - 1 < int(headers["webhook-timestamp"]) <= attempt.at.timestamp()


async def test_an_endpoints_own_header_replaces_ours_or_is_left_out() -> None:
    received: list[list[str]] = []

    async def handler(request: web.Request) -> web.Response:
        received.append([*request.headers.getall("accept"), *request.headers.getall("webhook-id")])
        return web.Response()

    own = {"Accept": "text/plain", "webhook-id": "evt_forged"}
    async with receiver(handler) as url, sender() as webhooks:
        await attempt_at(url, webhooks, headers=own)

    assert received == [["text/plain", "evt_1"]]


async def test_the_headers_are_those_of_the_standard_and_nothing_is_remembered() -> None:
    received: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        received.append(request)
        answer = web.Response(status=204)
        answer.set_cookie("session", "1")
        return answer

    async with receiver(handler) as url, sender() as webhooks:
        await attempt_at(f"{url}?shop=a%2Fb", webhooks)
        await attempt_at(url, webhooks)

    headers = received[0].headers
    assert received[0].method == "POST"
    assert received[0].path_qs == "/hook?shop=a%2Fb"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "keshikomi/1.2.3"
    assert headers["webhook-id"] == "evt_1"
    assert headers["traceparent"] == TRACEPARENT
    assert "cookie" not in received[1].headers
    # One connection serves both.
    assert received[0].transport is received[1].transport


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    async with receiver(handler) as url:
        attempt = await send_once(url)

    assert attempt.status_code == 200
