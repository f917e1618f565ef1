"""Webhook endpoints: registered, changed, tried and removed, in order with the events."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from connectors.sealing import Sealer
from connectors.signing import parse_secret
from streams.codecs import decode_notification_message
from streams.domain.delivery import ENDPOINTS_PER_MERCHANT_MAX
from streams.domain.notification import NotificationType
from streams.domain.signing import SigningKey
from streams.messages import EndpointRemoved, EndpointSet
from tests.api_harness import MASTER_KEY
from tests.api_shop import Shop, a_shop, open_shop

URL = "https://shop.example.com/hooks"


async def made(shop: Shop, **changes: Any) -> Any:
    answered = await shop.api.post("/v1/endpoints", {"url": URL, **changes})
    assert answered.status == 201, answered.body
    return answered.json


async def test_an_endpoint_is_made_with_a_secret_that_is_shown_once_and_sealed(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop, types=["invoice.*"], description="orders")
        shown = await shop.get(f"/v1/endpoints/{endpoint['id']}")
        row = decode_notification_message(shop.world.appender.appended[-1].value)

    secret = endpoint["secret"]
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert shown == {name: value for name, value in endpoint.items() if name != "secret"}
    assert (shown["status"], shown["types"]) == ("enabled", ["invoice.*"])
    assert isinstance(row, EndpointSet)
    (kept,) = row.endpoint.secrets
    opened = Sealer([MASTER_KEY]).unseal(kept.sealed, endpoint["id"])
    assert base64.b64encode(opened).decode() == secret.removeprefix("whsec_")


async def test_the_directory_learns_of_an_endpoint_and_then_the_fan_out(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await made(shop)
        directory, told = shop.world.appender.appended[-2:]

    assert (directory.topic, told.topic) == ("directory", "notifications")
    assert told.key == shop.merchant.encode()
    assert directory.value == told.value


async def test_an_endpoint_can_be_changed_and_what_is_not_given_stays(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop, types=["invoice.paid"], description="orders")
        path = f"/v1/endpoints/{endpoint['id']}"
        changed = await shop.api.call("PATCH", path, json={"status": "disabled"})
        emptied = await shop.api.call("PATCH", path, json={"types": [], "description": ""})

    assert (changed.json["status"], changed.json["types"]) == ("disabled", ["invoice.paid"])
    assert (emptied.json["status"], emptied.json["types"]) == ("disabled", [])
    assert emptied.json["description"] == ""


async def test_a_removed_endpoint_is_gone_and_the_fan_out_is_told(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        path = f"/v1/endpoints/{(await made(shop))['id']}"
        gone = await shop.api.call("DELETE", path)
        told, directory = shop.world.appender.appended[-2:]

        assert gone.status == 204
        assert directory.topic == "directory"
        assert isinstance(decode_notification_message(told.value), EndpointRemoved)
        assert (await shop.api.get(path)).status == 404
        assert (await shop.api.call("DELETE", path)).status == 404
        assert (await shop.get("/v1/endpoints"))["data"] == []


@pytest.mark.parametrize("topic", ["directory", "notifications"])
async def test_an_endpoint_that_could_be_removed_in_part_only_can_be_removed_again(
    tmp_path: Path, topic: str
) -> None:
    async with a_shop(tmp_path) as shop:
        path = f"/v1/endpoints/{(await made(shop))['id']}"
        shop.world.appender.down = frozenset({topic})
        assert (await shop.api.call("DELETE", path)).status == 503
        shop.world.appender.down = frozenset()

        assert (await shop.api.call("DELETE", path)).status == 204
        told = shop.world.appender.appended[-2]

    assert isinstance(decode_notification_message(told.value), EndpointRemoved)


async def test_an_endpoint_that_was_not_told_to_the_fan_out_is_listed_and_told_by_a_change(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        shop.world.appender.down = frozenset({"notifications"})
        assert (await shop.api.post("/v1/endpoints", {"url": URL})).status == 503
        shop.world.appender.down = frozenset()

        (listed,) = (await shop.get("/v1/endpoints"))["data"]
        changed = await shop.api.call("PATCH", f"/v1/endpoints/{listed['id']}", json={})
        told = decode_notification_message(shop.world.appender.appended[-1].value)

    assert changed.status == 200
    assert isinstance(told, EndpointSet)
    assert told.endpoint.endpoint_id == listed["id"]


async def test_endpoints_are_listed_by_pages_oldest_first(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        ids = [(await made(shop))["id"] for _ in range(3)]
        first = await shop.get("/v1/endpoints?limit=2")
        second = await shop.get(f"/v1/endpoints?limit=2&after={first['next']}")
        strange = await shop.api.get("/v1/endpoints?after=ep_unknown")

    assert [each["id"] for each in first["data"] + second["data"]] == ids
    assert second["next"] is None
    assert strange.status == 422


async def test_a_merchant_has_a_limited_number_of_endpoints(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        for _ in range(ENDPOINTS_PER_MERCHANT_MAX):
            await made(shop)

        assert (await shop.api.post("/v1/endpoints", {"url": URL})).status == 409
        other = await open_shop(shop.world, shop.api)
        assert await made(other)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "https://user:password@shop.example.com/",
        "ftp://shop.example.com/",
        "https://2130706433/",
        "not a url",
        "",
        "https://shop.example.com/" + "x" * 3_000,
    ],
)
async def test_an_endpoint_must_be_https_on_a_public_address(tmp_path: Path, url: str) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        refused = await shop.api.post("/v1/endpoints", {"url": url})
        path = f"/v1/endpoints/{endpoint['id']}"
        unchanged = await shop.api.call("PATCH", path, json={"url": url})

    assert (refused.status, unchanged.status) == (422, 422)
    assert refused.json["errors"][0]["pointer"] == "/url"


async def test_development_may_use_private_addresses(tmp_path: Path) -> None:
    async with a_shop(tmp_path, allow_private_endpoints=True) as shop:
        assert await made(shop, url="http://127.0.0.1:9000/hook")


@pytest.mark.parametrize("pattern", ["invoice.", "invoice", "invoice.payed", "*.*", "", "p*"])
async def test_a_type_that_nobody_sends_is_refused(tmp_path: Path, pattern: str) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.api.post("/v1/endpoints", {"url": URL, "types": ["*", pattern]})

    assert answered.status == 422
    (fault,) = answered.json["errors"]
    assert fault["pointer"] == "/types/1"
    for known in ("*", "invoice.*", "payment.*", *NotificationType):
        assert f" {known}," in f"{fault['detail']},"


async def test_a_ping_is_signed_with_the_endpoints_secret_and_tells_the_attempt(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        path = f"/v1/endpoints/{endpoint['id']}/ping"
        good = await shop.api.post(path)
        shop.world.webhooks.status_code, shop.world.webhooks.error = None, "timeout"
        bad = await shop.api.post(path)
        sent = shop.world.webhooks.sent[0]

    assert (good.json["delivered"], bad.json["delivered"]) == (True, False)
    assert bad.json["attempt"]["error"] == "timeout"
    assert (sent.target.url, sent.webhook_id) == (URL, good.json["event_id"])
    assert sent.target.keys == [SigningKey(parse_secret(endpoint["secret"]))]


async def test_the_fan_out_uses_the_endpoint(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop, types=["invoice.paid"])
        await shop.invoice()
        await shop.notice()
        await shop.world.settle()
        (delivery,) = shop.world.lanes.offered.values()

    assert delivery.endpoint_id == endpoint["id"]
    assert delivery.notification_type == "invoice.paid"
