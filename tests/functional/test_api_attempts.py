"""The API shows of every attempt where it went and how long each stage took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from tests.api_shop import a_shop
from tests.functional.test_api_endpoint_secrets import made
from tests.functional.test_api_told import attempted, paid
from tests.functional.test_delivery_sender import receiver, sender


async def test_a_delivery_shows_the_stages_of_its_attempts(tmp_path: Path) -> None:
    stages: dict[str, Any] = {
        "address": "192.0.2.7",
        "waiting_ms": 1,
        "dns_ms": 2,
        "connect_ms": 3,
        "tls_ms": 4,
        "first_byte_ms": 5,
    }
    async with a_shop(tmp_path) as shop:
        await paid(shop)
        (pending,) = (await shop.get("/v1/deliveries"))["data"]
        await attempted(shop, pending["id"], status_code=204, **stages)
        (delivered,) = (await shop.get("/v1/deliveries"))["data"]

    (attempt,) = delivered["attempts"]
    assert {name: attempt[name] for name in stages} == stages


async def test_a_ping_shows_stages_and_null_where_there_was_none(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    async with (
        receiver(handler) as url,
        sender() as webhooks,
        a_shop(tmp_path, webhooks=webhooks, allow_private_endpoints=True) as shop,
    ):
        endpoint = await made(shop, url=url)
        path = f"/v1/endpoints/{endpoint['id']}/ping"
        new, kept = [(await shop.api.post(path)).json["attempt"] for _ in range(2)]

    assert new["address"] == kept["address"] == "127.0.0.1"
    assert isinstance(new["connect_ms"], int)
    assert isinstance(kept["first_byte_ms"], int)
    assert [new[f"{stage}_ms"] for stage in ("waiting", "dns", "tls")] == [None] * 3
    assert kept["connect_ms"] is None
