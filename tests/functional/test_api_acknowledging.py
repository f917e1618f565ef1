"""A merchant acknowledges by its answers or by a call, and sees what it did not acknowledge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.ports import ApiLimits
from streams.domain.delivery import Delivery
from streams.domain.ids import DeliveryId
from tests.api_harness import Answered
from tests.api_shop import Shop, a_shop, open_shop
from tests.builders import NOW
from tests.functional.test_api_endpoint_secrets import URL, made
from tests.functional.test_api_told import attempted

RELEASED_AT = "2026-11-24T01:20:00Z"


async def told(shop: Shop, **options: Any) -> tuple[str, str]:
    """An endpoint that has to acknowledge, and a delivery to it that was answered 2xx."""
    wanted = {"types": ["invoice.paid"], "ack_required": True, "ack_seconds": 600}
    endpoint = await made(shop, **{**wanted, **options})
    await shop.invoice()
    await shop.notice()
    await shop.world.settle()
    (delivery,) = (await shop.get(f"/v1/deliveries?endpoint_id={endpoint['id']}"))["data"]
    await attempted(shop, delivery["id"], status_code=200)
    return str(endpoint["id"]), str(delivery["id"])


async def acknowledge(shop: Shop, event_id: str, body: dict[str, Any] | None = None) -> Answered:
    async with shop.world.worker():
        return await shop.api.post(f"/v1/events/{event_id}/ack", body)


async def the_delivery(shop: Shop, delivery_id: str) -> Any:
    rows = (await shop.get("/v1/deliveries"))["data"]
    return next(row for row in rows if row["id"] == delivery_id)


def offered(shop: Shop, delivery_id: str) -> Delivery:
    """What the lanes know of it last."""
    return shop.world.lanes.offered[DeliveryId(delivery_id)]


async def waiting(shop: Shop, endpoint_id: str, query: str = "") -> list[str]:
    page = await shop.get(f"/v1/endpoints/{endpoint_id}/unacknowledged{query}")
    return [row["id"] for row in page["data"]]


# --- what is told again


async def test_an_unacknowledged_delivery_is_listed_once_its_time_is_over(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint_id, delivery_id = await told(shop)
        before = await waiting(shop, endpoint_id)
        delivery = await the_delivery(shop, delivery_id)
        shop.world.clock.move(seconds=601)
        after = await waiting(shop, endpoint_id)
        elsewhere = await shop.api.get("/v1/endpoints/ep_elsewhere/unacknowledged")

    assert (delivery["status"], delivery["acknowledged_at"]) == ("delivered", None)
    assert delivery["next_attempt_at"] is not None
    assert offered(shop, delivery_id).tellings == 1
    assert (before, after, elsewhere.status) == ([], [delivery_id], 404)


async def test_an_answer_acknowledges_whether_it_has_to_or_not(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint_id, delivery_id = await told(shop)
        await attempted(shop, delivery_id, status_code=200, released_at=NOW)
        delivery = await the_delivery(shop, delivery_id)
        event = await acknowledge(shop, delivery["event_id"], {"endpoint_id": endpoint_id})
        shop.world.clock.move(days=1)

        assert await waiting(shop, endpoint_id) == []
    assert delivery["acknowledged_by"] == "answer"
    assert delivery["attempts"][-1]["released_at"] == "2026-11-24T01:15:00Z"
    assert delivery["next_attempt_at"] is None
    assert (event.status, event.json["acknowledged_by"]) == (200, "answer")
    assert shop.world.lanes.offered == {}


# --- the call


async def test_a_call_acknowledges_and_nothing_is_told_again(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        endpoint_id, delivery_id = await told(shop)
        event_id = (await the_delivery(shop, delivery_id))["event_id"]
        first = await acknowledge(shop, event_id, {"released_at": RELEASED_AT})
        await shop.world.settle()
        shop.world.clock.move(days=1)
        again = await acknowledge(shop, event_id)
        delivery = await the_delivery(shop, delivery_id)

        assert await waiting(shop, endpoint_id) == []
    assert (first.status, first.json["released_at"]) == (200, RELEASED_AT)
    assert (first.json["event_id"], first.json["endpoint_id"]) == (event_id, None)
    assert again.json == first.json
    assert (delivery["status"], delivery["acknowledged_by"]) == ("delivered", "call")
    assert delivery["acknowledged_at"] == first.json["acknowledged_at"]
    assert delivery["next_attempt_at"] is None
    assert shop.world.lanes.offered == {}


async def test_a_call_for_one_endpoint_leaves_the_others(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        other = await made(shop, url=URL + "other", types=["invoice.paid"], ack_required=True)
        endpoint_id, _ = await told(shop)
        (theirs,) = (await shop.get(f"/v1/deliveries?endpoint_id={other['id']}"))["data"]
        await attempted(shop, theirs["id"], status_code=200)
        body = {"endpoint_id": endpoint_id}
        answered = await acknowledge(shop, theirs["event_id"], body)
        await shop.world.settle()
        shop.world.clock.move(days=1)

        assert await waiting(shop, endpoint_id) == []
        assert await waiting(shop, other["id"]) == [theirs["id"]]
    assert answered.json["endpoint_id"] == endpoint_id
    assert set(shop.world.lanes.offered) == {theirs["id"]}


async def test_an_event_that_was_only_read_from_the_feed_is_acknowledged_too(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.invoice()
        await shop.notice()
        await shop.world.settle()
        event = (await shop.get("/v1/events"))["data"][0]
        answered = await acknowledge(shop, event["id"])

    assert (answered.status, answered.json["acknowledged_by"]) == (200, "call")


async def test_an_acknowledgement_that_is_faster_than_history_finds_its_event(
    tmp_path: Path,
) -> None:
    """A shop calls while it handles the webhook; the archive may be a moment behind."""
    async with a_shop(tmp_path) as shop:
        await told(shop)
        await shop.invoice("ORD-2")
        await shop.notice("n-2", reference="ORD-2")
        await shop.world.advance()
        newest = max(shop.world.lanes.offered.values(), key=lambda one: one.sequence)
        assert (await shop.api.get(f"/v1/events/{newest.notification_id}")).status == 404
        answered = await acknowledge(shop, newest.notification_id)

    assert answered.status == 200


async def test_what_is_not_the_merchants_is_refused(tmp_path: Path) -> None:
    limits = ApiLimits(effect_seconds_max=0.01)
    async with a_shop(tmp_path, limits=limits) as shop:
        endpoint_id, delivery_id = await told(shop)
        event_id = (await the_delivery(shop, delivery_id))["event_id"]
        unknown = await shop.api.post("/v1/events/evt_unknown/ack")
        late = await shop.api.post(f"/v1/events/{event_id}/ack")
        nobodys = await shop.api.post(f"/v1/events/{event_id}/ack", {"endpoint_id": "ep_x"})
        bad = await shop.api.post(f"/v1/events/{event_id}/ack", {"released_at": "yesterday"})
        await open_shop(shop.world, shop.api)
        body = {"endpoint_id": endpoint_id}
        elsewhere = await shop.api.post(f"/v1/events/{event_id}/ack", body)

    assert (unknown.status, elsewhere.status, late.status) == (404, 404, 503)
    assert (nobodys.status, nobodys.json["errors"][0]["pointer"]) == (422, "/endpoint_id")
    assert (bad.status, bad.json["errors"][0]["pointer"]) == (422, "/released_at")


async def test_a_resend_of_what_waits_goes_at_once_and_keeps_its_acknowledgement(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        _, delivery_id = await told(shop)
        async with shop.world.worker():
            again = await shop.api.post(f"/v1/deliveries/{delivery_id}/resend")
        resent = offered(shop, delivery_id)
        await acknowledge(shop, resent.notification_id)
        await attempted(shop, delivery_id, status_code=200)
        async with shop.world.worker():
            await shop.api.post(f"/v1/deliveries/{delivery_id}/resend")
        last = offered(shop, delivery_id)

    assert (again.status, again.json["round"], resent.round) == (202, 2, 2)
    assert (resent.tellings, resent.acknowledged) == (0, False)
    assert (last.round, last.acknowledged) == (3, True)


# --- the options


async def test_the_options_are_kept_shown_and_changed(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        plain = await made(shop)
        asking = await made(shop, ack_required=True, ack_seconds=60)
        path = f"/v1/endpoints/{asking['id']}"
        changed = await shop.api.call("PATCH", path, json={"ack_seconds": 604_800})
        off = await shop.api.call("PATCH", path, json={"ack_required": False})

    assert (plain["ack_required"], plain["ack_seconds"]) == (False, 3_600)
    assert (asking["ack_required"], asking["ack_seconds"]) == (True, 60)
    assert (changed.json["ack_required"], changed.json["ack_seconds"]) == (True, 604_800)
    assert (off.json["ack_required"], off.json["ack_seconds"]) == (False, 604_800)


@pytest.mark.parametrize("seconds", [59, 604_801, 60.5, "600", None])
async def test_other_limits_are_refused(tmp_path: Path, seconds: object) -> None:
    async with a_shop(tmp_path) as shop:
        refused = await shop.api.post("/v1/endpoints", {"url": URL, "ack_seconds": seconds})

    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/ack_seconds")
