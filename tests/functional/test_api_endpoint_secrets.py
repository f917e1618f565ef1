"""Signing secrets of endpoints: rotated with an overlap, of both kinds, shown once or never."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.cache.memory import MemoryCache
from connectors.webhooks import WebhookSender
from streams.clock import system_clock
from streams.codecs import decode_notification_message
from streams.domain.delivery import Endpoint
from streams.domain.signing import OLD_SECRETS_MAX
from streams.messages import EndpointSet
from tests.api_harness import Api
from tests.api_shop import Shop, a_shop
from tests.functional.test_api_once_made import KilledCache
from tests.functional.test_delivery_sender import receiver

URL = "https://shop.example.com/hooks"
DAY_SECONDS = 86_400
KEY = {"Idempotency-Key": "rotate-once"}


async def made(shop: Shop, **members: Any) -> Any:
    answered = await shop.api.post("/v1/endpoints", {"url": URL, **members})
    assert answered.status == 201, answered.body
    return answered.json


async def rotate(api: Api, endpoint: Any, **members: Any) -> Any:
    path = f"/v1/endpoints/{endpoint['id']}/rotate-secret"
    answered = await api.post(path, members)
    assert answered.status == 200, answered.body
    return answered.json


async def signed_with(shop: Shop, endpoint: Any) -> list[str]:
    """The secrets that an attempt made now is signed with, as merchants know them."""
    await shop.api.post(f"/v1/endpoints/{endpoint['id']}/ping")
    keys = shop.world.webhooks.sent[-1].target.keys
    return [f"whsec_{base64.b64encode(key.secret).decode()}" for key in keys]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def written(shop: Shop) -> Endpoint:
    row = decode_notification_message(shop.world.appender.appended[-1].value)
    assert isinstance(row, EndpointSet)
    return row.endpoint


# --- rotation


async def test_an_old_secret_signs_beside_the_new_one_until_its_time(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        first = endpoint["secret"]
        rotated = await rotate(shop.api, endpoint)
        second = rotated["secret"]
        shown = await shop.get(f"/v1/endpoints/{endpoint['id']}")
        during = await signed_with(shop, endpoint)
        shop.world.clock.move(seconds=DAY_SECONDS)
        after = await signed_with(shop, endpoint)
        shown_after = await shop.get(f"/v1/endpoints/{endpoint['id']}")

    assert first != second
    assert (during, after) == ([second, first], [second])
    (old,) = shown["old_secrets"]
    overlap = moment(old["until"]) - moment(rotated["updated_at"])
    assert overlap == timedelta(seconds=DAY_SECONDS)
    assert (old["signing"], old["public_key"], shown_after["old_secrets"]) == ("v1", None, [])
    assert rotated == {**shown, "secret": second}


async def test_every_change_forgets_the_secrets_whose_time_has_passed(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        await rotate(shop.api, endpoint, overlap_seconds=60)
        kept = len(written(shop).secrets)
        shop.world.clock.move(seconds=60)
        await shop.api.call("PATCH", f"/v1/endpoints/{endpoint['id']}", json={"description": "x"})

        assert (kept, len(written(shop).secrets)) == (2, 1)


async def test_no_overlap_ends_the_old_secrets_at_once(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        await rotate(shop.api, endpoint)
        last = await rotate(shop.api, endpoint, overlap_seconds=0)

        assert await signed_with(shop, endpoint) == [last["secret"]]
        assert last["old_secrets"] == []


async def test_one_old_secret_too_many_is_409_and_changes_nothing(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        for _ in range(OLD_SECRETS_MAX):
            await rotate(shop.api, endpoint)
        before = await signed_with(shop, endpoint)
        refused = await shop.api.post(f"/v1/endpoints/{endpoint['id']}/rotate-secret")

        assert refused.status == 409
        assert await signed_with(shop, endpoint) == before
        assert len(before) == OLD_SECRETS_MAX + 1
        await rotate(shop.api, endpoint, overlap_seconds=0)


@pytest.mark.parametrize(
    "member",
    [
        {"overlap_seconds": -1},
        {"overlap_seconds": 7 * DAY_SECONDS + 1},
        {"overlap_seconds": "60"},
        {"signing": "v2"},
        {"secret": "whsec_mine"},
    ],
)
async def test_a_rotation_that_makes_no_sense_is_refused(
    tmp_path: Path, member: dict[str, Any]
) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        path = f"/v1/endpoints/{endpoint['id']}/rotate-secret"

        assert (await shop.api.post(path, member)).status == 422
        assert await signed_with(shop, endpoint) == [endpoint["secret"]]


@pytest.mark.parametrize("cache_is_kept", [True, False])
async def test_a_repeat_after_a_crash_answers_the_secret_that_was_made(
    tmp_path: Path, *, cache_is_kept: bool
) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        path, cache = f"/v1/endpoints/{endpoint['id']}/rotate-secret", KilledCache()
        async with shop.world.api(cache=cache) as api:
            first = await api.post(path, key=shop.key, headers=KEY)
        shop.world.clock.move(hours=23)
        async with shop.world.api(cache=cache if cache_is_kept else MemoryCache()) as api:
            again = await api.post(path, key=shop.key, headers=KEY)
        signed = await signed_with(shop, endpoint)

    assert (again.status, again.body) == (first.status, first.body) == (200, first.body)
    assert signed == [first.json["secret"], endpoint["secret"]]


async def test_a_repeat_after_another_rotation_answers_its_own_secret_and_turns_nothing_back(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        path = f"/v1/endpoints/{endpoint['id']}/rotate-secret"
        async with shop.world.api(cache=KilledCache()) as api:
            first = await api.post(path, key=shop.key, headers=KEY)
        await rotate(shop.api, endpoint, signing="v1a")
        before, appended = written(shop), len(shop.world.appender.appended)
        again = await shop.api.post(path, headers=KEY)

        assert (again.status, again.json["secret"]) == (200, first.json["secret"])
        assert written(shop) == before
        # The agent is told again: the first try may have ended before it was.
        assert len(shop.world.appender.appended) == appended + 2


async def test_every_call_without_a_key_makes_another_secret(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        secrets = [(await rotate(shop.api, endpoint))["secret"] for _ in range(3)]

    assert len({endpoint["secret"], *secrets}) == 4


# --- ed25519


async def test_an_endpoint_of_v1a_shows_its_public_key_and_never_a_secret(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop, signing="v1a")
        shown = await shop.get(f"/v1/endpoints/{endpoint['id']}")
        (kept,) = written(shop).secrets
        await shop.api.post(f"/v1/endpoints/{endpoint['id']}/ping")
        (key,) = shop.world.webhooks.sent[-1].target.keys

    assert endpoint == {**shown, "secret": None}
    assert (shown["signing"], shown["public_key"]) == ("v1a", kept.public_key)
    assert base64.b64encode(key.secret).decode() not in str(endpoint)
    assert base64.b64encode(key.secret).decode() not in kept.sealed


async def test_a_rotation_may_change_the_kind_and_both_sign_meanwhile(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint = await made(shop)
        first = await rotate(shop.api, endpoint, signing="v1a")
        second = await rotate(shop.api, endpoint)
        back = await rotate(shop.api, endpoint, signing="v1")

    assert (first["signing"], first["secret"]) == ("v1a", None)
    assert second["signing"] == "v1a"
    assert second["public_key"] != first["public_key"]
    assert (back["signing"], back["public_key"]) == ("v1", None)
    assert back["secret"].startswith("whsec_")
    told = [(old["signing"], old["public_key"]) for old in back["old_secrets"]]
    assert told == [
        ("v1a", second["public_key"]), ("v1a", first["public_key"]), ("v1", None),
    ]  # fmt: skip


# --- as receivers see it


def ed25519_verify(public_key: str, signature: str, headers: dict[str, str], body: bytes) -> None:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    raw = base64.b64decode(public_key.removeprefix("whpk_"))
    Ed25519PublicKey.from_public_bytes(raw).verify(
        base64.b64decode(signature.removeprefix("v1a,")), signed
    )


async def test_receivers_verify_with_the_new_key_and_with_the_old_secret_until_it_ends(
    tmp_path: Path,
) -> None:
    received: list[tuple[dict[str, str], bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        received.append((dict(request.headers), await request.read()))
        return web.Response()

    sender = WebhookSender(clock=system_clock, version="1", allow_private=True)
    await sender.start()
    ports: dict[str, Any] = {"webhooks": sender, "allow_private_endpoints": True}
    async with receiver(handler) as url, a_shop(tmp_path, **ports) as shop:
        endpoint = await made(shop, url=url)
        renewed = await rotate(shop.api, endpoint, signing="v1a")
        await shop.api.post(f"/v1/endpoints/{endpoint['id']}/ping")
        ended = await rotate(shop.api, endpoint, overlap_seconds=0, signing="v1")
        await shop.api.post(f"/v1/endpoints/{endpoint['id']}/ping")
    await sender.close()

    (during, body), (after, body_after) = received
    assert Webhook(endpoint["secret"]).verify(body, during)
    newest = during["webhook-signature"].split(" ")[0]
    ed25519_verify(renewed["public_key"], newest, during, body)
    with pytest.raises(InvalidSignature):
        ed25519_verify(renewed["public_key"], newest, during, body + b" ")
    assert Webhook(ended["secret"]).verify(body_after, after)
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint["secret"]).verify(body_after, after)
