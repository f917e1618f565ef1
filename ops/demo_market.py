"""The demo's merchants at the product: registered over its API, notices sent to its channels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import orjson

from ops.demo_channels import (
    DSK,
    GMO,
    GMO_HANGING,
    GMO_RECEIVED,
    SBPS,
    SBPS_OK,
    Account,
    Request,
)
from ops.demo_product import Product
from ops.demo_shop import HANGING_PATH, SHOP_PATH, Missing, Shop
from streams.clock import monotonic_seconds, system_clock

Contract = tuple[str, str, dict[str, str]]
"""Channel, format and configuration of an account."""

PAGE = 250
ANSWER_CHARACTERS_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """Who is owed."""

    id: str
    api_key: str


@dataclass(slots=True, kw_only=True)
class Market:
    """Everything that takes part, and what was sent so far."""

    http: aiohttp.ClientSession
    product: Product
    shop: Shop
    admin_key: str
    merchant: Merchant
    hanging: Merchant
    gmo: Account
    sbps: Account
    dsk: Account
    gmo_of_hanging: Account
    numbers: itertools.count[int]
    notices: int = 0
    repeats: int = 0

    def next_number(self) -> str:
        """A fresh order number."""
        return f"ORD-{next(self.numbers)}"

    async def register(
        self, number: str, amount_yen: int, *, by: Merchant | None = None, **tied: object
    ) -> dict[str, Any]:
        """Register an invoice; `tied` names references or channels."""
        body = {
            "invoice_number": number,
            "amount_yen": amount_yen,
            "due_at": (system_clock() + timedelta(days=7)).isoformat(),
            **tied,
        }
        key = (by or self.merchant).api_key
        return await call(self.http, "POST", "/v1/invoices", body, key=key)

    async def invoice(self, number: str) -> dict[str, Any]:
        """The invoice with this number as it stands."""
        path = f"/v1/invoices?invoice_number={number}"
        page = await call(self.http, "GET", path, key=self.merchant.api_key)
        found: dict[str, Any] = page["data"][0]
        return found

    async def unmatched(self) -> set[str]:
        """The references of the shop's notices that wait for an invoice."""
        path = f"/v1/unmatched?limit={PAGE}"
        page = await call(self.http, "GET", path, key=self.merchant.api_key)
        return {each["reference"] for each in page["data"]}

    async def send(self, account: Account, request: Request, *, repeat: bool = False) -> float:
        """Send a notice as the provider would; it must be acknowledged. Returns when it left."""
        headers, body = request
        left = monotonic_seconds()
        async with self.http.post(account.notice_path, data=body, headers=headers) as answer:
            said = await answer.read()
        if said != GMO_RECEIVED and SBPS_OK not in said:
            raise Missing(f"the provider was answered {answer.status} {said[:200]!r}")
        self.notices += not repeat
        self.repeats += repeat
        return left

    async def send_file(self, body: bytes) -> tuple[float, dict[str, Any]]:
        """Upload a file of the DSK account."""
        left = monotonic_seconds()
        said = await call(
            self.http,
            "POST",
            f"/v1/files?account={self.dsk.id}",
            body,
            key=self.merchant.api_key,
        )
        self.notices += said["accepted"]
        self.repeats += said["duplicates"]
        return left, said

    async def feed(self, merchant: Merchant) -> list[dict[str, Any]]:
        """All of a merchant's pull feed."""
        events: list[dict[str, Any]] = []
        cursor = ""
        while True:
            path = f"/v1/events?limit={PAGE}{cursor}"
            page = await call(self.http, "GET", path, key=merchant.api_key)
            if not page["data"]:
                return events
            events += page["data"]
            cursor = f"&after={page['next']}"


async def call(
    http: aiohttp.ClientSession, method: str, path: str, body: object = None, *, key: str
) -> dict[str, Any]:
    """One call of the API that must succeed."""
    is_file = isinstance(body, bytes)
    kind = "text/csv" if is_file else "application/json"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": kind}
    data = body if is_file or body is None else orjson.dumps(body)
    async with http.request(method, path, data=data, headers=headers) as answer:
        said = await answer.read()
        if not answer.ok:
            shown = said[:ANSWER_CHARACTERS_SHOWN].decode(errors="replace")
            raise Missing(f"{method} {path} was answered {answer.status} {shown}")
    content: dict[str, Any] = orjson.loads(said)
    return content


async def open_market(
    http: aiohttp.ClientSession, product: Product, shop: Shop, admin_key: str
) -> Market:
    """Register two merchants with their accounts and endpoints; the second one's server hangs."""
    merchant = await _merchant(http, "青い本屋", admin_key)
    hanging = await _merchant(http, "止まった店", admin_key)
    contracts: tuple[tuple[Merchant, Contract], ...] = (
        (merchant, ("konbini_digital", "gmo", GMO)),
        (merchant, ("konbini_digital", "sbps", SBPS)),
        (merchant, ("konbini_slip", "dsk", DSK)),
        (hanging, ("konbini_digital", "gmo", GMO_HANGING)),
    )
    accounts = [await _account(http, owner, contract, admin_key) for owner, contract in contracts]
    base = f"http://127.0.0.1:{shop.port}"
    for owner, path in ((merchant, SHOP_PATH), (hanging, HANGING_PATH)):
        body = {"url": base + path}
        endpoint = await call(http, "POST", "/v1/endpoints", body, key=owner.api_key)
        if owner is merchant:
            shop.trust(endpoint["secret"])
    return Market(
        http=http,
        product=product,
        shop=shop,
        admin_key=admin_key,
        merchant=merchant,
        hanging=hanging,
        gmo=accounts[0],
        sbps=accounts[1],
        dsk=accounts[2],
        gmo_of_hanging=accounts[3],
        numbers=itertools.count(1001),
    )


async def _merchant(http: aiohttp.ClientSession, name: str, admin_key: str) -> Merchant:
    made = await call(http, "POST", "/v1/merchants", {"name": name}, key=admin_key)
    return Merchant(id=made["id"], api_key=made["api_key"])


async def _account(
    http: aiohttp.ClientSession, owner: Merchant, contract: Contract, admin_key: str
) -> Account:
    kind, name, config = contract
    body = {"merchant_id": owner.id, "channel": kind, "format": name, "config": config}
    made = await call(http, "POST", "/v1/channel-accounts", body, key=admin_key)
    return Account(id=made["id"], notice_path=made["notice_path"], config=config)
