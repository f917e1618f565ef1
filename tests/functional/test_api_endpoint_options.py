"""Options of an endpoint: own headers, how long an attempt may take, when retries come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connectors.webhooks import WebhookSender
from streams.clock import system_clock
from streams.codecs import decode_notification_message
from streams.domain.headers import HEADERS_MAX
from streams.messages import EndpointSet
from tests.api_shop import a_shop
from tests.functional.test_api_endpoint_secrets import URL, made
from tests.functional.test_delivery_sender import receiver

TOKEN = "Bearer a-long-enough-token-1234"


async def test_own_headers_are_sealed_masked_and_sent_in_the_clear(tmp_path: Path) -> None:
    headers = {"Authorization": TOKEN, "X-Shop": "tokyo"}
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop, headers=headers)
        path = f"/v1/endpoints/{endpoint['id']}"
        shown = await shop.get(path)
        await shop.api.post(f"{path}/ping")
        sent = shop.world.webhooks.sent[-1].target.headers
        logged = [record.value for record in shop.world.appender.appended]

    assert endpoint["headers"] == shown["headers"]
    assert shown["headers"] == {"Authorization": "***1234", "X-Shop": "***"}
    assert sent == headers
    assert not [value for value in logged if b"tokyo" in value or TOKEN.encode() in value]


async def test_headers_are_changed_all_together_and_stay_when_not_given(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop, headers={"X-A": "1", "X-B": "2"})
        path = f"/v1/endpoints/{endpoint['id']}"
        stays = await shop.api.call("PATCH", path, json={"description": "x"})
        changed = await shop.api.call("PATCH", path, json={"headers": {"X-C": "3"}})
        await shop.api.post(f"{path}/ping")
        emptied = await shop.api.call("PATCH", path, json={"headers": {}})
        sent = shop.world.webhooks.sent[-1].target.headers
        row = decode_notification_message(shop.world.appender.appended[-1].value)

    assert stays.json["headers"] == {"X-A": "***", "X-B": "***"}
    assert changed.json["headers"] == {"X-C": "***"}
    assert (sent, emptied.json["headers"]) == ({"X-C": "3"}, {})
    assert isinstance(row, EndpointSet)
    assert row.endpoint.sealed_headers == ""


@pytest.mark.parametrize(
    ("headers", "pointer"),
    [
        ({"Host": "evil.example.com"}, "/headers/Host"),
        ({"CONTENT-length": "5"}, "/headers/CONTENT-length"),
        ({"webhook-signature": "v1,x"}, "/headers/webhook-signature"),
        ({"X-A": "1\r\nX-B: 2"}, "/headers/X-A"),
        ({"X-A": "***1234"}, "/headers/X-A"),
        ({"X-A": ""}, "/headers/X-A"),
        ({"X-A": 1}, "/headers/X-A"),
        ({"X-A": "1", "x-a": "2"}, "/headers"),
        ({f"X-{number}": "1" for number in range(HEADERS_MAX + 1)}, "/headers"),
        (["X-A"], "/headers"),
    ],
)
async def test_headers_that_are_not_the_merchants_to_send_are_refused(
    tmp_path: Path, headers: Any, pointer: str
) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        refused = await shop.api.post("/v1/endpoints", {"url": URL, "headers": headers})
        path = f"/v1/endpoints/{endpoint['id']}"
        unchanged = await shop.api.call("PATCH", path, json={"headers": headers})

    assert (refused.status, unchanged.status) == (422, 422)
    assert [fault["pointer"] for fault in refused.json["errors"]] == [pointer]


async def test_a_header_that_breaks_the_line_is_no_name(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        headers = {"X-A: 1\r\nX-B": "2"}
        answered = await shop.api.post("/v1/endpoints", {"url": URL, "headers": headers})

    assert answered.status == 422


async def test_time_and_retries_are_kept_shown_and_told_to_the_sender(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        plain = await made(shop)
        endpoint = await made(shop, timeout_seconds=3, retry_seconds=[5, 60])
        path = f"/v1/endpoints/{endpoint['id']}"
        await shop.api.post(f"{path}/ping")
        stays = await shop.api.call("PATCH", path, json={"description": "x"})
        changed = await shop.api.call(
            "PATCH", path, json={"timeout_seconds": 30, "retry_seconds": []}
        )
        sent = shop.world.webhooks.sent[-1].target.timeout_seconds

    assert (plain["timeout_seconds"], plain["retry_seconds"]) == (None, [])
    assert (endpoint["timeout_seconds"], endpoint["retry_seconds"], sent) == (3, [5, 60], 3)
    assert (stays.json["timeout_seconds"], stays.json["retry_seconds"]) == (3, [5, 60])
    assert (changed.json["timeout_seconds"], changed.json["retry_seconds"]) == (30, [])


async def test_whether_a_newer_state_takes_the_place_of_an_older_is_the_merchants_choice(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        plain, chosen = await made(shop), await made(shop, supersede=True)
        path = f"/v1/endpoints/{chosen['id']}"
        stays = await shop.api.call("PATCH", path, json={"description": "x"})
        row = decode_notification_message(shop.world.appender.appended[-1].value)
        changed = await shop.api.call("PATCH", path, json={"supersede": False})

    assert (plain["supersede"], chosen["supersede"]) == (False, True)
    assert (stays.json["supersede"], changed.json["supersede"]) == (True, False)
    assert isinstance(row, EndpointSet)
    assert row.endpoint.supersede


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"supersede": "true"}, "/supersede"),
        ({"timeout_seconds": 0}, "/timeout_seconds"),
        ({"timeout_seconds": 31}, "/timeout_seconds"),
        ({"timeout_seconds": 1.5}, "/timeout_seconds"),
        ({"retry_seconds": [0]}, "/retry_seconds/0"),
        ({"retry_seconds": [5, 86_401]}, "/retry_seconds/1"),
        ({"retry_seconds": [5] * 13}, "/retry_seconds"),
        ({"retry_seconds": "short"}, "/retry_seconds"),
        ({"signing": "v2"}, "/signing"),
    ],
)
async def test_options_beyond_their_limits_are_refused(
    tmp_path: Path, members: dict[str, Any], pointer: str
) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.api.post("/v1/endpoints", {"url": URL, **members})

    assert answered.status == 422
    assert [fault["pointer"] for fault in answered.json["errors"]] == [pointer]


async def test_the_kind_of_signing_is_not_changed_without_a_new_secret(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        path = f"/v1/endpoints/{endpoint['id']}"
        answered = await shop.api.call("PATCH", path, json={"signing": "v1a"})

    assert answered.status == 422


async def test_a_receiver_gets_the_headers_beside_ours(tmp_path: Path) -> None:
    received: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        received.append(request)
        return web.Response()

    sender = WebhookSender(clock=system_clock, version="1", allow_private=True)
    await sender.start()
    ports: dict[str, Any] = {"webhooks": sender, "allow_private_endpoints": True}
    async with receiver(handler) as url, a_shop(tmp_path, **ports) as shop:
        endpoint = await made(shop, url=url, headers={"Authorization": TOKEN, "X-Shop": "tokyo"})
        await shop.api.post(f"/v1/endpoints/{endpoint['id']}/ping")
    await sender.close()

    (request,) = received
    assert request.headers["authorization"] == TOKEN
    assert request.headers["x-shop"] == "tokyo"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-signature"].startswith("v1,")
