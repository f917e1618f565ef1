"""What the merchant is told: the pull feed, the deliveries, the notices that match nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.ports import ApiLimits
from connectors.log.tail import LogTail
from streams.codecs import encode
from streams.domain.acknowledging import ack_seconds
from streams.domain.delivery import Attempt
from streams.domain.errors import Unavailable
from streams.domain.ids import DeliveryId, MerchantId
from streams.messages import AttemptMade
from streams.ports import Record
from tests.api_harness import a_world
from tests.api_shop import Shop, a_shop, open_shop
from tests.builders import NOW


async def paid(shop: Shop) -> str:
    """An invoice that is paid, with one endpoint that wants to know."""
    answered = await shop.api.post(
        "/v1/endpoints", {"url": "https://shop.example.com/", "types": ["invoice.paid"]}
    )
    assert answered.status == 201
    invoice = await shop.invoice()
    await shop.notice()
    await shop.world.settle()
    return invoice


async def attempted(shop: Shop, delivery_id: str, *, is_last: bool = False, **changes: Any) -> None:
    """What a lane says after an attempt; no other follows the last one."""
    attempt = Attempt(number=2 if is_last else 1, at=NOW, duration_ms=12, **changes)
    delivery = shop.world.lanes.offered[DeliveryId(delivery_id)]
    made = AttemptMade(
        merchant_id=MerchantId(shop.merchant),
        delivery_id=delivery.delivery_id,
        round=delivery.round,
        first_attempt_at=NOW,
        attempt=attempt,
        fraction=0.5,
        endpoint_id=delivery.endpoint_id,
        created_at=delivery.created_at,
        retry_seconds=(5,) if is_last else (),
        sequence=delivery.sequence,
        event_id=delivery.notification_id,
        tellings=delivery.tellings,
        ack_seconds=ack_seconds(delivery, shop.world.lanes.endpoints[delivery.endpoint_id]),
    )
    record = Record(topic="notifications", key=shop.merchant.encode(), value=encode(made))
    await shop.world.log.append([record])
    await shop.world.settle()


# --- events


async def test_the_feed_gives_each_notification_once_in_order(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        invoice = await paid(shop)
        await shop.notice()  # the channel says the same again
        await shop.world.settle()
        whole = await shop.get("/v1/events")
        first = await shop.get("/v1/events?limit=1")
        second = await shop.get(f"/v1/events?limit=1&after={first['next']}")
        nothing = await shop.get(f"/v1/events?after={second['next']}")

    assert [each["type"] for each in whole["data"]] == ["payment.preliminary", "invoice.paid"]
    assert first["data"] + second["data"] == whole["data"]
    assert {each["invoice_id"] for each in whole["data"]} == {invoice}
    assert whole["data"][1]["payload"]["data"]["invoice"]["status"] == "paid"
    assert (nothing["data"], nothing["next"]) == ([], second["next"])


async def test_the_feed_can_be_read_by_type(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await paid(shop)
        some = await shop.get("/v1/events?types=invoice.*,payment.confirmed")
        wrong = await shop.api.get("/v1/events?types=invoice.payed")

    assert [each["type"] for each in some["data"]] == ["invoice.paid"]
    assert wrong.status == 422


async def test_an_empty_feed_has_no_cursor_yet(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        page = await shop.get("/v1/events")

    assert (page["data"], page["next"]) == ([], None)
    assert page["complete_up_to"] is not None


async def test_complete_up_to_waits_for_the_archive(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await paid(shop)
        now = shop.world.clock.now
        complete = await shop.get("/v1/events")
        shop.world.clock.move(hours=1)
        await shop.notice("n-2", reference="unknown")  # durable, and not archived yet
        behind = await shop.get("/v1/events")

    assert abs((datetime.fromisoformat(complete["complete_up_to"]) - now).total_seconds()) < 2
    assert datetime.fromisoformat(behind["complete_up_to"]) <= now


async def test_complete_up_to_waits_for_the_steps_before_the_archive(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await paid(shop)
        shop.world.clock.move(hours=1)
        accepted_at = shop.world.clock.now
        await shop.notice("n-2", reference="unknown")
        shop.world.clock.move(hours=1)
        await shop.world.archive()
        behind = await shop.get("/v1/events")
        await shop.world.settle()
        complete = await shop.get("/v1/events")

    a_moment_later = accepted_at + timedelta(seconds=1)
    assert datetime.fromisoformat(behind["complete_up_to"]) < a_moment_later
    assert datetime.fromisoformat(complete["complete_up_to"]) > a_moment_later


class LogThatGoesAway(LogTail):
    """A log that cannot be asked from some moment on, as Kafka while it chooses new leaders."""

    is_away = False

    async def untaken_since(self) -> datetime | None:
        if self.is_away:
            raise Unavailable("the log cannot be asked")
        return await super().untaken_since()


async def test_the_feed_goes_on_while_the_log_cannot_be_asked(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        tail = LogThatGoesAway(world.log)
        async with world.api(tail=tail) as api:
            shop = await open_shop(world, api)
            await paid(shop)
            before = await shop.get("/v1/events")
            tail.is_away = True
            meanwhile = await shop.get("/v1/events")

    assert before["complete_up_to"] is not None
    assert meanwhile == {**before, "complete_up_to": None}


async def test_one_event_can_be_looked_at(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await paid(shop)
        event = (await shop.get("/v1/events"))["data"][0]

        assert await shop.get(f"/v1/events/{event['id']}") == event
        assert (await shop.api.get("/v1/events/evt_unknown")).status == 404


# --- deliveries


async def test_deliveries_show_every_attempt(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await paid(shop)
        (pending,) = (await shop.get("/v1/deliveries"))["data"]
        await attempted(shop, pending["id"], status_code=500, answer="no")
        (retrying,) = (await shop.get("/v1/deliveries?status=retrying"))["data"]
        other = await shop.get("/v1/deliveries?status=failed&endpoint_id=ep_x&event_id=evt_x")

    assert (pending["status"], pending["attempts"]) == ("pending", [])
    assert (pending["sequence"], retrying["sequence"]) == (1, 1)
    assert pending["event_type"] == "invoice.paid"
    (attempt,) = retrying["attempts"]
    assert (attempt["status_code"], attempt["answer"], attempt["duration_ms"]) == (500, "no", 12)
    assert retrying["next_attempt_at"] is not None
    assert other == {"data": [], "next": None}


async def test_a_delivery_is_sent_again_as_a_new_round_with_the_same_body(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        await paid(shop)
        (before,) = (await shop.get("/v1/deliveries"))["data"]
        body = shop.world.lanes.offered[before["id"]].body
        await attempted(shop, before["id"], status_code=200)
        async with shop.world.worker():
            again = await shop.api.post(f"/v1/deliveries/{before['id']}/resend")
        offered = shop.world.lanes.offered[before["id"]]

    assert (again.status, again.json["id"], again.json["round"]) == (202, before["id"], 1)
    assert (offered.round, offered.attempts, offered.body) == (1, 0, body)


async def test_a_resend_is_taken_also_when_no_step_runs(tmp_path: Path) -> None:
    async with a_shop(tmp_path, limits=ApiLimits(effect_seconds_max=0.01)) as shop:
        await paid(shop)
        (before,) = (await shop.get("/v1/deliveries"))["data"]
        again = await shop.api.post(f"/v1/deliveries/{before['id']}/resend")

    assert (again.status, again.json["round"]) == (202, 0)


async def test_a_delivery_to_a_removed_endpoint_is_not_sent_again(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await paid(shop)
        (delivery,) = (await shop.get("/v1/deliveries"))["data"]
        await shop.api.call("DELETE", f"/v1/endpoints/{delivery['endpoint_id']}")

        assert (await shop.api.post(f"/v1/deliveries/{delivery['id']}/resend")).status == 409
        assert (await shop.api.post("/v1/deliveries/dlv_x/resend")).status == 404


# --- unmatched


async def unmatched(shop: Shop) -> Any:
    await shop.notice(reference="WRONG-1")
    await shop.world.settle()
    (waiting,) = (await shop.get("/v1/unmatched"))["data"]
    return waiting


async def test_a_notice_without_an_invoice_waits_where_people_look(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        waiting = await unmatched(shop)

    assert (waiting["reference"], waiting["amount_yen"]) == ("WRONG-1", 12_800)
    assert waiting["store"] == {"chain": "010", "code": "000123"}


async def test_a_person_assigns_a_notice_and_it_is_told_like_any_match(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        waiting, invoice = await unmatched(shop), await shop.invoice()
        async with shop.world.worker():
            answered = await shop.api.post(
                f"/v1/unmatched/{waiting['notice_id']}/assign",
                {"invoice_id": invoice, "reason": "the payer said so, card 4111111111111111"},
            )
        left = await shop.get("/v1/unmatched")
        events = (await shop.get("/v1/events?types=invoice.paid"))["data"]

    assert (answered.status, answered.json["invoice"]["status"]) == (200, "paid")
    assert answered.json["assigned_by"] == f"key {shop.key_id}"
    assert answered.json["reason"].endswith("************1111")
    assert left["data"] == []
    settlement = events[0]["payload"]["data"]["settlement"]
    assert settlement["assigned_by"] == f"key {shop.key_id}"


async def test_an_assignment_to_an_unknown_invoice_or_of_an_unknown_notice_is_refused(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        waiting = await unmatched(shop)
        body = {"invoice_id": "inv_unknown", "reason": "x"}
        wrong = await shop.api.post(f"/v1/unmatched/{waiting['notice_id']}/assign", body)
        gone = await shop.api.post("/v1/unmatched/ntc_unknown/assign", body)

    assert (wrong.status, wrong.json["errors"][0]["pointer"]) == (422, "/invoice_id")
    assert gone.status == 404


async def test_an_assignment_that_no_step_carries_out_is_503(tmp_path: Path) -> None:
    async with a_shop(tmp_path, limits=ApiLimits(effect_seconds_max=0.01)) as shop:
        waiting, invoice = await unmatched(shop), await shop.invoice()
        path = f"/v1/unmatched/{waiting['notice_id']}/assign"
        answered = await shop.api.post(path, {"invoice_id": invoice, "reason": "x"})

    assert answered.status == 503


@pytest.mark.parametrize(
    "path", ["/v1/invoices", "/v1/events", "/v1/deliveries", "/v1/unmatched", "/v1/endpoints"]
)
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=251", "limit=x", "limit=1&limit=2", "lim=1", "after=%00", "after=nonsense"],
)
async def test_a_wrong_query_is_refused(tmp_path: Path, path: str, query: str) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.api.get(f"{path}?{query}")

    assert answered.status == 422
