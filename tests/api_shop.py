"""A merchant with an account and an API to call: where most tests of the API begin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.ports import ApiLimits
from tests.api_harness import ADMIN_KEY, GENERIC_SECRET, Answered, Api, World, a_world

CONFIGS: dict[str, dict[str, str]] = {
    "generic": {"secret": GENERIC_SECRET},
    "gmo": {"shop_id": "tshop00000001", "shop_pass": "pass%word1"},
    "dsk": {"company_code": "12345"},
}


@dataclass
class Shop:
    """One merchant: their keys, their account in our own format, and the API."""

    world: World
    api: Api
    merchant: str
    key: str
    key_id: str
    account: str

    async def register(self, number: str = "ORD-1001", **changes: Any) -> Answered:
        return await self.api.post("/v1/invoices", an_invoice(self.account, number, **changes))

    async def invoice(self, number: str = "ORD-1001", **changes: Any) -> str:
        """Register an invoice and let it settle; returns its id."""
        answered = await self.register(number, **changes)
        assert answered.status == 201, answered.body
        await self.world.settle()
        return str(answered.json["id"])

    async def notice(self, number: str = "n-1", **changes: Any) -> Answered:
        return await self.api.notice(self.account, a_notice_body(number, **changes))

    async def get(self, path: str) -> Any:
        answered = await self.api.get(path)
        assert answered.status == 200, answered.body
        return answered.json

    async def new_account(self, fmt: str, channel: str, **config: str) -> str:
        body = {
            "merchant_id": self.merchant,
            "channel": channel,
            "format": fmt,
            "config": config or CONFIGS[fmt],
        }
        answered = await self.api.post("/v1/channel-accounts", body, key=ADMIN_KEY)
        assert answered.status == 201, answered.body
        return str(answered.json["id"])


def an_invoice(account: str, number: str = "ORD-1001", **changes: Any) -> dict[str, Any]:
    """The body of a registration; a member given as None is left out."""
    body: dict[str, Any] = {
        "invoice_number": number,
        "amount_yen": 12_800,
        "due_at": "2026-12-01T23:59:59+09:00",
        "references": [{"account_id": account, "value": number}],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def a_notice_body(number: str = "n-1", **changes: Any) -> dict[str, Any]:
    """A notice in our own format."""
    return {
        "notice_id": number,
        "kind": "preliminary",
        "reference": "ORD-1001",
        "amount_yen": 12_800,
        "paid_at": "2026-11-24T10:15:00+09:00",
        "store": {"chain": "010", "code": "000123"},
        **changes,
    }


async def a_merchant(api: Api, **changes: Any) -> Any:
    answered = await api.post("/v1/merchants", {"name": "書店", **changes}, key=ADMIN_KEY)
    assert answered.status == 201, answered.body
    return answered.json


async def open_shop(world: World, api: Api, **changes: Any) -> Shop:
    """A new merchant in a world that exists already."""
    merchant = await a_merchant(api, **changes)
    api.key = merchant["api_key"]
    shop = Shop(
        world=world,
        api=api,
        merchant=merchant["id"],
        key=merchant["api_key"],
        key_id=merchant["key_id"],
        account="",
    )
    shop.account = await shop.new_account("generic", "konbini_slip")
    return shop


@asynccontextmanager
async def a_shop(
    directory: Path,
    *,
    limits: ApiLimits | None = None,
    merchant: dict[str, Any] | None = None,
    **ports: Any,
) -> AsyncIterator[Shop]:
    """A world with one API process and one merchant."""
    async with a_world(directory, limits=limits) as world, world.api(**ports) as api:
        yield await open_shop(world, api, **(merchant or {}))
