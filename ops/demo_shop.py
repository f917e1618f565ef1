"""The shop of the demo: receives webhooks as a merchant would, and releases orders once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from ops.demo_product import HOST
from streams.clock import monotonic_seconds

SHOP_PATH, HANGING_PATH = "/webhooks", "/hanging"
WAIT_SECONDS = 15.0


class Missing(Exception):
    """Something that had to happen did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one webhook said, and when it came."""

    at: float
    id: str
    type: str
    invoice_number: str | None
    reference: str | None
    outcome: str | None
    status: str | None

    def is_about(self, reference: str) -> bool:
        """Whether it concerns this invoice number or this reference of a payment."""
        return reference in {self.invoice_number, self.reference}


class Shop:
    """Verifies with the official library, forgets repeats, releases what is paid."""

    def __init__(self) -> None:
        self._verify: Webhook | None = None
        self._news = asyncio.Condition()
        self.port = 0
        self.told: dict[str, Told] = {}
        self.came = self.repeats = self.forged = self.hanging = 0
        self.released: set[str] = set()
        self.stopped: set[str] = set()

    def trust(self, secret: str) -> None:
        """From now on webhooks must be signed under this secret."""
        self._verify = Webhook(secret)

    async def receive(self, request: web.Request) -> web.Response:
        """A webhook came: verify, deduplicate, act, answer 204."""
        at, body = monotonic_seconds(), await request.read()
        self.came += 1
        try:
            assert self._verify is not None, "a webhook came before an endpoint was registered"
            self._verify.verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=401)
        webhook_id = request.headers["webhook-id"]
        if webhook_id in self.told:
            self.repeats += 1
        else:
            told = _read(webhook_id, at, orjson.loads(body))
            self._act(told)
            self.told[webhook_id] = told
            async with self._news:
                self._news.notify_all()
        return web.Response(status=204)

    def _act(self, told: Told) -> None:
        number = told.invoice_number or ""
        if told.type == "invoice.paid":
            self.released.add(number)
        elif told.type == "invoice.reopened":
            self.released.discard(number)
            self.stopped.add(number)

    async def hang(self, _: web.Request) -> web.Response:
        """Another merchant's server: it takes the webhook and never answers."""
        self.hanging += 1
        await asyncio.Event().wait()
        raise AssertionError

    async def wait(self, kind: str, reference: str, seconds: float = WAIT_SECONDS) -> Told:
        """The webhook of this type about this reference or invoice number, once it has come."""
        found: Told | None = None

        def is_here() -> bool:
            nonlocal found
            about = (told for told in reversed(self.told.values()) if told.type == kind)
            found = next((told for told in about if told.is_about(reference)), None)
            return found is not None

        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(is_here)
        except TimeoutError:
            raise Missing(f"no webhook {kind} for {reference} within {seconds:g} s") from None
        assert found is not None
        return found


def _read(webhook_id: str, at: float, said: dict[str, Any]) -> Told:
    data = said["data"]
    invoice, payment = data.get("invoice") or {}, data.get("payment") or {}
    return Told(
        at=at,
        id=webhook_id,
        type=said["type"],
        invoice_number=invoice.get("invoice_number"),
        reference=payment.get("reference"),
        outcome=(data.get("settlement") or {}).get("outcome"),
        status=invoice.get("status"),
    )


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    """The shop's server, and the hanging one beside it, on a free port."""
    shop = Shop()
    app = web.Application()
    app.router.add_post(SHOP_PATH, shop.receive)
    app.router.add_post(HANGING_PATH, shop.hang)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    shop.port = runner.addresses[0][1]
    try:
        yield shop
    finally:
        await runner.cleanup()
