"""Receivers of webhooks for `keshikomi certify` to attack: a careful one, and some that are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer
from keshikomi_webhooks import VerificationError, verify
from standardwebhooks import Webhook, WebhookVerificationError

from connectors.signing import format_secret
from tests.signature_vectors import CURRENT, OLD, PUBLIC

SECRET, OLD_SECRET = format_secret(CURRENT), format_secret(OLD)


class Receiver:
    """A careful receiver; each of the others does one thing worse."""

    def __init__(self) -> None:
        self.secrets = [SECRET, OLD_SECRET]
        self.seen: dict[str, bytes] = {}

    async def receive(self, request: web.Request) -> web.Response:
        body = await self.read(request)
        try:
            webhook_id = self.verify(body, request)
        except VerificationError:
            return web.Response(status=401)
        return await self.keep(webhook_id, body)

    async def read(self, request: web.Request) -> bytes:
        return await request.read()

    def verify(self, body: bytes, request: web.Request) -> str:
        return verify(body, request.headers, self.secrets)

    async def keep(self, webhook_id: str, body: bytes) -> web.Response:
        self.seen.setdefault(webhook_id, body)
        return web.Response(status=204)


class Trusting(Receiver):
    def verify(self, body: bytes, request: web.Request) -> str:
        return request.headers.get("webhook-id", "")


class Official(Receiver):
    """The official library as its own documentation uses it, with the one secret that it takes."""

    def verify(self, body: bytes, request: web.Request) -> str:
        try:
            Webhook(SECRET).verify(body, dict(request.headers))
        except WebhookVerificationError:
            raise VerificationError from None
        return request.headers["webhook-id"]


class FirstSignatureOnly(Receiver):
    def verify(self, body: bytes, request: web.Request) -> str:
        first = request.headers.get("webhook-signature", "").split(" ")[0]
        return verify(body, {**request.headers, "webhook-signature": first}, self.secrets)


class ForOneSecret(Receiver):
    def __init__(self) -> None:
        super().__init__()
        self.secrets = [SECRET]


class Timeless(Receiver):
    """It believes the sender about the time."""

    def verify(self, body: bytes, request: web.Request) -> str:
        try:
            now = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
        except (KeyError, ValueError):
            raise VerificationError from None
        return verify(body, request.headers, self.secrets, now)


class Trimming(Receiver):
    async def read(self, request: web.Request) -> bytes:
        return (await request.read()).strip()


class Small(Receiver):
    async def read(self, request: web.Request) -> bytes:
        if (request.content_length or 0) > 16_000:
            raise web.HTTPRequestEntityTooLarge(max_size=16_000, actual_size=20_000)
        return await request.read()


class Hasty(Receiver):
    async def read(self, request: web.Request) -> bytes:
        body = await request.content.readany()
        await request.read()
        return body


class RefusesRepeats(Receiver):
    async def keep(self, webhook_id: str, body: bytes) -> web.Response:
        if webhook_id in self.seen:
            return web.Response(status=500)
        return await super().keep(webhook_id, body)


class Racing(Receiver):
    """It looks whether it has an id, and another request comes before it has kept it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ""
        self.overtaken = asyncio.Event()

    async def keep(self, webhook_id: str, body: bytes) -> web.Response:
        if not self.first and body.startswith(b'{"type":"invoice.paid"'):
            self.first = webhook_id
            with suppress(TimeoutError):
                await asyncio.wait_for(self.overtaken.wait(), 5.0)
            self.overtaken.set()
        elif webhook_id == self.first and not self.overtaken.is_set():
            self.overtaken.set()
            return web.Response(status=500)  # as the unique index of its table answers
        return await super().keep(webhook_id, body)


class InOrder(Receiver):
    """It takes the number that comes next, or a repeat, and nothing else."""

    last: int | None = None

    async def keep(self, webhook_id: str, body: bytes) -> web.Response:
        number = orjson.loads(body).get("sequence")
        if webhook_id not in self.seen and number is not None:
            if self.last is not None and number != self.last + 1:
                return web.Response(status=409)
            self.last = number
        return await super().keep(webhook_id, body)


class OnlyNewer(Receiver):
    """It takes what it has for a repeat by the number instead of by the id, and complains."""

    last = 0

    async def keep(self, webhook_id: str, body: bytes) -> web.Response:
        number = orjson.loads(body)["sequence"] if b'"sequence"' in body else self.last
        if number < self.last:
            return web.Response(status=422)
        self.last = number
        return await super().keep(webhook_id, body)


class Numbering(Receiver):
    async def keep(self, webhook_id: str, body: bytes) -> web.Response:
        if "sequence" not in orjson.loads(body):
            return web.Response(status=500)
        return await super().keep(webhook_id, body)


class Ed25519(Receiver):
    """A careful one in the middle of a change from `v1` to `v1a`."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets = [SECRET, OLD_SECRET, PUBLIC]


class Ed25519Alone(Receiver):
    def __init__(self) -> None:
        super().__init__()
        self.secrets = [PUBLIC]


class BelievesEd25519(Receiver):
    """It has no library for `v1a`, and takes whatever is called so."""

    def verify(self, body: bytes, request: web.Request) -> str:
        if "v1a," in request.headers.get("webhook-signature", ""):
            return request.headers["webhook-id"]
        return super().verify(body, request)


class NoEd25519(Receiver):
    def verify(self, body: bytes, request: web.Request) -> str:
        if "v1a," in request.headers.get("webhook-signature", ""):
            raise VerificationError
        return super().verify(body, request)


class Confused(Ed25519):
    """Its library takes every key for every scheme."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets = [*self.secrets, PUBLIC.replace("whpk_", "whsec_")]


class Acknowledging(Receiver):
    """It answers that the order was released, in these words."""

    def __init__(self, said: str) -> None:
        super().__init__()
        self.said = said

    async def keep(self, webhook_id: str, body: bytes) -> web.Response:
        await super().keep(webhook_id, body)
        return web.Response(text=self.said, content_type="application/json")


class Slow(Receiver):
    async def keep(self, webhook_id: str, body: bytes) -> web.Response:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.05)
        return await super().keep(webhook_id, body)


class Silent(Receiver):
    """It closes the connection where it ought to say no."""

    def verify(self, body: bytes, request: web.Request) -> str:
        try:
            return super().verify(body, request)
        except VerificationError:
            assert request.transport is not None
            request.transport.abort()
            raise


class Answering(Receiver):
    """It answers what is not genuine with this status."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status

    async def receive(self, request: web.Request) -> web.Response:
        answer = await super().receive(request)
        return answer if answer.status == 204 else web.Response(status=self.status)


@asynccontextmanager
async def served(receiver: Receiver) -> AsyncIterator[str]:
    """The URL of a receiver while it runs."""
    app = web.Application()
    app.router.add_post("/webhooks", receiver.receive)
    async with TestServer(app) as server:
        yield str(server.make_url("/webhooks"))
