"""Invoices: registered once, shown with their payments, waited for, listed, cancelled."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.ports import ApiLimits
from streams.codecs import decode_invoice_message, decode_reference_message
from streams.messages import InvoiceRegistered, ReferenceIssued
from tests.api_shop import a_shop, open_shop


async def test_a_registered_invoice_is_shown_as_the_contract_says(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        customer = {"name": "山田 太郎", "kana": "ﾔﾏﾀﾞ ﾀﾛｳ"}
        answered = await shop.register(customer=customer, metadata={"cart": "77"})
        shown = answered.json

    assert answered.status == 201
    assert (shown["status"], shown["amount_yen"], shown["balance_yen"]) == ("open", 12_800, 12_800)
    assert (shown["paid_yen"], shown["preliminary_yen"], shown["payments"]) == (0, 0, [])
    assert shown["due_at"] == "2026-12-01T14:59:59Z"
    assert (shown["customer"], shown["metadata"]) == (customer, {"cart": "77"})
    assert shown["references"] == [{"account_id": shop.account, "value": "ORD-1001"}]


async def test_a_registration_is_visible_to_the_next_read_before_any_step_ran(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        made = (await shop.register()).json

        assert await shop.get(f"/v1/invoices/{made['id']}") == made
        assert (await shop.get("/v1/invoices"))["data"] == [made]


async def test_the_invoice_is_told_to_the_log_before_its_references(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        before = len(shop.world.appender.appended)
        await shop.register()
        first, second = shop.world.appender.appended[before:]

    assert isinstance(decode_invoice_message(first.value), InvoiceRegistered)
    assert isinstance(decode_reference_message(second.value), ReferenceIssued)
    assert second.key == f"{shop.account}:ORD-1001".encode()
    assert dict(first.headers)["traceparent"].startswith(b"00-")


async def test_the_same_content_again_is_200_with_the_same_object_and_is_published_again(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        first = await shop.register(metadata={"a": "1", "b": "2"})
        published = shop.world.appender.appended[-2:]
        again = await shop.register(
            metadata={"b": "2", "a": "1"}, due_at="2026-12-01T14:59:59.000Z"
        )

    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    assert [(r.key, r.value) for r in shop.world.appender.appended[-2:]] == [
        (r.key, r.value) for r in published
    ]


@pytest.mark.parametrize(
    "change", [{"amount_yen": 1}, {"due_at": "2026-12-02T00:00:00Z"}, {"metadata": {"a": "b"}}]
)
async def test_other_content_under_the_same_number_is_409(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.register()
        answered = await shop.register(**change)

    assert answered.status == 409
    assert answered.headers["content-type"].startswith("application/problem+json")


async def test_two_invoices_cannot_claim_one_external_reference(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.register("ORD-1")
        claimed = [{"account_id": shop.account, "value": "ORD-1"}]
        answered = await shop.register("ORD-2", references=claimed)
        listed = await shop.get("/v1/invoices")

    assert answered.status == 409
    assert [each["invoice_number"] for each in listed["data"]] == ["ORD-1"]


async def test_of_two_registrations_at_once_with_other_content_one_wins(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        answers = await asyncio.gather(
            *(shop.register(amount_yen=amount) for amount in (100, 200, 300))
        )

    assert sorted(answered.status for answered in answers) == [201, 409, 409]


async def test_another_merchants_account_cannot_be_used(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        theirs = shop.account
        mine = await open_shop(shop.world, shop.api)
        references = [{"account_id": theirs, "value": "X"}]
        answered = await mine.register(references=references)

    assert answered.status == 422
    assert answered.json["errors"][0]["pointer"] == "/references/0/account_id"


async def test_two_merchants_may_use_the_same_invoice_number(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        first = (await shop.register()).json["id"]
        second = (await (await open_shop(shop.world, shop.api)).register()).json["id"]

    assert first != second


async def test_an_invoice_that_is_imported_past_its_due_date_is_expired(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.register(due_at="2026-01-01T00:00:00Z")

    assert (answered.status, answered.json["status"]) == (201, "expired")


async def test_the_merchants_policy_goes_into_the_terms(tmp_path: Path) -> None:
    async with a_shop(tmp_path, merchant={"release_on": "confirmed"}) as shop:
        invoice = await shop.invoice()
        await shop.notice()
        await shop.world.settle()
        shown = await shop.get(f"/v1/invoices/{invoice}")

    assert (shown["status"], shown["paid_yen"], shown["preliminary_yen"]) == ("open", 0, 12_800)


async def test_card_numbers_in_free_fields_are_masked_before_the_first_write(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.register(
            customer={"name": "4111 1111 1111 1111"}, metadata={"note": "card 4111111111111111"}
        )
        again = await shop.register(
            customer={"name": "4111 1111 1111 1111"}, metadata={"note": "card 4111111111111111"}
        )
        written = b"".join(record.value for record in shop.world.appender.appended)

    assert answered.json["customer"]["name"] == "**** **** **** 1111"
    assert answered.json["metadata"] == {"note": "card ************1111"}
    assert again.status == 200
    assert b"4111111111111111" not in written
    assert b"4111111111111111" not in (tmp_path / "history.db").read_bytes()


async def test_invoices_are_listed_newest_first_by_pages_and_filters(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        for number in ("A", "B", "C"):
            await shop.register(number)
        first = await shop.get("/v1/invoices?limit=2")
        second = await shop.get(f"/v1/invoices?limit=2&after={first['next']}")
        by_number = await shop.get("/v1/invoices?invoice_number=B&status=open")
        none = await shop.get("/v1/invoices?status=paid")

    assert [each["invoice_number"] for each in first["data"]] == ["C", "B"]
    assert [each["invoice_number"] for each in second["data"]] == ["A"]
    assert second["next"] is None
    assert [each["invoice_number"] for each in by_number["data"]] == ["B"]
    assert none == {"data": [], "next": None}


async def test_a_wait_ends_as_soon_as_the_status_is_another(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        invoice = await shop.invoice()
        async with shop.world.worker():
            waiting = asyncio.create_task(
                shop.api.get(f"/v1/invoices/{invoice}?wait=30&status_was=open")
            )
            await shop.notice()
            answered = await waiting

    assert answered.json["status"] == "paid"


async def test_a_wait_for_a_status_that_is_past_is_answered_at_once(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        invoice = await shop.invoice()
        answered = await shop.api.get(f"/v1/invoices/{invoice}?wait=30&status_was=paid")

    assert answered.json["status"] == "open"


async def test_a_cancelled_invoice_is_told_and_cancelling_again_changes_nothing(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        invoice = await shop.invoice()
        async with shop.world.worker():
            first = await shop.api.post(f"/v1/invoices/{invoice}/cancel")
            again = await shop.api.post(f"/v1/invoices/{invoice}/cancel")
        listed = await shop.get(f"/v1/invoices/{invoice}")

    assert (first.status, first.json["status"]) == (200, "cancelled")
    assert again.json == first.json == listed


async def test_a_paid_invoice_cannot_be_cancelled(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        invoice = await shop.invoice()
        await shop.notice()
        await shop.world.settle()
        async with shop.world.worker():
            answered = await shop.api.post(f"/v1/invoices/{invoice}/cancel")

    assert answered.status == 409
    assert "paid" in answered.json["detail"]


async def test_a_cancellation_that_no_step_decides_is_503_after_a_bounded_wait(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path, limits=ApiLimits(effect_seconds_max=0.01)) as shop:
        invoice = await shop.invoice()
        answered = await shop.api.post(f"/v1/invoices/{invoice}/cancel")

    assert (answered.status, answered.headers["retry-after"]) == (503, "1")
