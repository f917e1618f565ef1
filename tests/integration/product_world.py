"""A shop's and a channel's view of a running product: registers, pays, receives, counts."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

CHANNEL_SECRET = "channel-secret-of-the-tests"  # the tests' own
PAUSE_SECONDS = 0.05
TRIES_SECONDS_MAX = 60.0


@dataclass(slots=True, kw_only=True)
class Merchant:
    """One merchant, its key, its account and what its endpoint heard."""

    merchant_id: str
    key: str
    account_id: str
    endpoint_id: str
    secret: str
    bodies: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    times: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def auth(self) -> dict[str, str]:
        """The header of this merchant's calls."""
        return {"Authorization": f"Bearer {self.key}"}

    def paid_numbers(self) -> set[str]:
        """Invoice numbers that `invoice.paid` was told for."""
        told = [json.loads(next(iter(bodies))) for bodies in self.bodies.values()]
        return {
            body["data"]["invoice"]["invoice_number"]
            for body in told
            if body["type"] == "invoice.paid"
        }


async def pause(seconds: float) -> None:
    """Let time pass: loads have a rate, and kills come at moments that nobody chose."""
    await asyncio.sleep(seconds)


async def until(holds: Callable[[], Awaitable[bool]], seconds_max: float = 60.0) -> None:
    """Look again and again at another process until something holds, within a deadline."""
    async with asyncio.timeout(seconds_max):
        while not await holds():
            await pause(PAUSE_SECONDS)


class Receiver:
    """A merchant's server that verifies every signature; `down` names paths that answer 503."""

    def __init__(self) -> None:
        self.by_path: dict[str, Merchant] = {}
        self.forged = 0
        self.port = 0

    async def receive(self, request: web.Request) -> web.Response:
        """One webhook."""
        path = request.match_info["path"]
        if path.startswith("down"):
            return web.Response(status=503)
        merchant = self.by_path[path]
        body = await request.read()
        try:
            Webhook(merchant.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=401)
        event_id = request.headers["webhook-id"]
        merchant.bodies[event_id].add(body)
        merchant.times[event_id] += 1
        return web.Response(status=204)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve on a free port of this machine."""
        app = web.Application()
        app.router.add_post("/{path}", self.receive)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()


class World:
    """Everything outside of the product; every call is repeated until the product answers it."""

    def __init__(self, http: aiohttp.ClientSession, url: str, data: Path) -> None:
        self.http, self.url, self.data = http, url, data
        self.receiver = Receiver()

    async def call(self, method: str, path: str, *, want: int, **options: Any) -> Any:
        """Repeat a call until it is answered as wanted, as any careful client would."""
        said: object = None
        async with asyncio.timeout(TRIES_SECONDS_MAX):
            while True:
                try:
                    async with self.http.request(method, self.url + path, **options) as answer:
                        said = await answer.read()
                        if answer.status == want:
                            return json.loads(said) if said else None
                        assert answer.status >= 500 or answer.status == 429, (path, said)
                except aiohttp.ClientError as error:
                    said = error
                await pause(PAUSE_SECONDS)

    async def merchant(self, path: str) -> Merchant:
        """A merchant with one generic account and one endpoint."""
        admin = {"Authorization": f"Bearer {(self.data / 'admin.key').read_text().strip()}"}
        made = await self.call(
            "POST", "/v1/merchants", want=201, json={"name": path}, headers=admin
        )
        account = await self.call(
            "POST",
            "/v1/channel-accounts",
            want=201,
            headers=admin,
            json={
                "merchant_id": made["id"],
                "channel": "konbini_digital",
                "format": "generic",
                "config": {"secret": CHANNEL_SECRET},
            },
        )
        endpoint = await self.call(
            "POST",
            "/v1/endpoints",
            want=201,
            headers={"Authorization": f"Bearer {made['api_key']}"},
            json={"url": f"http://127.0.0.1:{self.receiver.port}/{path}"},
        )
        merchant = Merchant(
            merchant_id=made["id"],
            key=made["api_key"],
            account_id=account["id"],
            endpoint_id=endpoint["id"],
            secret=endpoint["secret"],
        )
        self.receiver.by_path[path] = merchant
        return merchant

    async def bill(self, merchant: Merchant, number: str, amount_yen: int = 1_000) -> Any:
        """Register an invoice whose number is its reference."""
        references = [{"account_id": merchant.account_id, "value": number}]
        body = {
            "invoice_number": number,
            "amount_yen": amount_yen,
            "due_at": "2099-01-01T00:00:00+09:00",
            "references": references,
        }
        async with asyncio.timeout(TRIES_SECONDS_MAX):
            while True:
                try:
                    async with self.http.post(
                        f"{self.url}/v1/invoices", json=body, headers=merchant.auth
                    ) as answer:
                        if answer.status in {200, 201}:
                            return await answer.json()
                        assert answer.status >= 500 or answer.status == 429, await answer.text()
                except aiohttp.ClientError:
                    pass
                await pause(PAUSE_SECONDS)

    async def pay(self, merchant: Merchant, number: str, amount_yen: int = 1_000) -> Any:
        """Report the payment of an invoice."""
        notice = {"notice_id": f"n-{number}", "kind": "preliminary", "amount_yen": amount_yen}
        return await self.report(merchant, number, notice)

    async def report(self, merchant: Merchant, reference: str, notice: dict[str, object]) -> Any:
        """Send a notice again and again until it is accepted, as a provider does."""
        whole = {"reference": reference, "paid_at": "2026-11-01T10:00:00+09:00", **notice}
        body = json.dumps(whole).encode()
        digest = hmac.digest(CHANNEL_SECRET.encode(), body, "sha256").hex()
        headers = {
            "X-Keshikomi-Signature": f"sha256={digest}",
            "Content-Type": "application/json",
        }
        path = f"/channels/{merchant.account_id}/notices"
        return await self.call("POST", path, want=202, data=body, headers=headers)

    async def feed(self, merchant: Merchant) -> list[dict[str, Any]]:
        """The merchant's whole pull feed."""
        return await self._every_page(merchant, "/v1/events")

    async def deliveries(self, merchant: Merchant) -> list[dict[str, Any]]:
        """Every delivery to the merchant, newest first."""
        return await self._every_page(merchant, "/v1/deliveries")

    async def _every_page(self, merchant: Merchant, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            asked = f"{path}?limit=250{after}"
            page = await self.call("GET", asked, want=200, headers=merchant.auth)
            found += page["data"]
            if not page["data"] or page["next"] is None:
                return found
            after = f"&after={page['next']}"


async def are_told(world: World, merchant: Merchant, numbers: set[str]) -> None:
    """Bill and pay invoices of these numbers, and wait until the merchant was told of each."""
    for number in numbers:
        await world.bill(merchant, number)
    for number in numbers:
        await world.pay(merchant, number)

    async def told() -> bool:
        return numbers <= merchant.paid_numbers()

    await until(told)


def children_of(pid: int) -> dict[str, int]:
    """The product's child processes by what they run: `worker`, `archiver`, `api`."""
    found: dict[str, int] = {}
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return {}
    for child in children:
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if "api" in words:
            found["api"] = int(child)
        elif "archiving" in words:
            found["archiver"] = int(child)
        elif "worker" in words:
            found["worker"] = int(child)
    return found


def kill(pid: int) -> None:
    """`kill -9`, which finds one process or none."""
    assert pid > 1, "0 and -1 would mean a whole group, or everything"
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)
