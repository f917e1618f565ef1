"""Notice intake: durable before it is answered, in the provider's words, whatever else is down."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path
from urllib.parse import urlencode

import pytest

from connectors.log.headers import unpack_headers
from streams.codecs import decode_archived, decode_reference_message
from streams.happenings import (
    NoticeAccepted,
    Quarantined,
)
from streams.messages import NoticeReceived
from tests.api_harness import Answered
from tests.api_shop import CONFIGS, Shop, a_notice_body, a_shop

FORM = "application/x-www-form-urlencoded"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_form(**changes: str) -> bytes:
    """A konbini payment as GMO posts it."""
    fields = {
        "ShopID": CONFIGS["gmo"]["shop_id"],
        "ShopPass": CONFIGS["gmo"]["shop_pass"],
        "AccessID": "a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6",
        "OrderID": "ORD-1001",
        "Status": "PAYSUCCESS",
        "Amount": "12800",
        "Tax": "0",
        "Currency": "JPN",
        "PayType": "3",
        "CvsCode": "00007",
        "FinishDate": "20261124101500",
        **changes,
    }
    return urlencode(fields).encode()


async def posted(shop: Shop, account: str, data: bytes, content_type: str = FORM) -> Answered:
    path = f"/channels/{account}/notices"
    return await shop.api.call(
        "POST", path, data=data, headers={"Content-Type": content_type}, key=""
    )


async def test_an_accepted_notice_is_one_append_of_what_is_resolved_and_what_is_kept(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.notice()
        resolved, kept = shop.world.appender.appended[-2:]
        received = decode_reference_message(resolved.value)
        accepted = decode_archived(kept.value)

    assert answered.status == 202
    assert isinstance(received, NoticeReceived)
    assert isinstance(accepted, NoticeAccepted)
    assert answered.json == {"notice_id": accepted.notice_id, "duplicate": False}
    assert resolved.key == f"{shop.account}:ORD-1001".encode()
    assert kept.key == shop.merchant.encode()
    raw = base64.b64decode(accepted.raw_base64)
    assert hashlib.sha256(raw).hexdigest() == accepted.raw_sha256
    assert b"ORD-1001" in raw


async def test_a_repeat_is_said_to_be_one_from_memory_and_from_history(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        first = await shop.notice()
        from_memory = await shop.notice()
        await shop.world.settle()
        async with shop.world.api() as other:
            from_history = await other.notice(shop.account, a_notice_body())

    assert [a.json["duplicate"] for a in (first, from_memory, from_history)] == [False, True, True]
    assert len({a.json["notice_id"] for a in (first, from_memory, from_history)}) == 1


async def test_the_trace_of_the_request_is_in_every_record_and_in_the_answer(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        given = await shop.api.notice(shop.account, a_notice_body(), traceparent=TRACEPARENT)
        records = shop.world.appender.appended[-2:]
        bad = await shop.api.notice(shop.account, a_notice_body("2"), traceparent="00-00-00-00")
        key = f"{shop.account}:ORD-1001".encode()
        partition = shop.world.tail.partition_of("references", key)
        stored = shop.world.log.fetch("references", partition, 0, 10)

    assert given.headers["traceparent"] == TRACEPARENT
    assert all(dict(r.headers)["traceparent"] == TRACEPARENT.encode() for r in records)
    assert bad.headers["traceparent"].startswith("00-")
    assert len(bad.headers["traceparent"]) == len(TRACEPARENT)
    assert ("traceparent", TRACEPARENT.encode()) in unpack_headers(stored[0].headers)


async def test_nothing_is_accepted_that_the_log_does_not_have(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await shop.new_account("gmo", "konbini_digital")
        shop.world.appender.is_down = True
        generic, gmo = await shop.notice(), await posted(shop, account, a_form())
        shop.world.appender.is_down = False
        again = await shop.notice()

    assert (generic.status, generic.headers["retry-after"]) == (503, "1")
    assert (gmo.status, gmo.body) == (200, b"1")
    assert again.json["duplicate"] is False


@pytest.mark.parametrize("how", ["is_down", "hangs"])
async def test_intake_does_not_need_history(tmp_path: Path, how: str) -> None:
    async with a_shop(tmp_path) as shop:
        setattr(shop.world.history, how, True)
        async with asyncio.timeout(5):
            answers = [await shop.notice(f"n-{number}") for number in range(20)]
            repeated = await shop.notice("n-1")

    assert {answered.status for answered in answers} == {202}
    assert repeated.json["duplicate"] is True


async def test_gmo_is_answered_0_or_1_and_nothing_else(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await shop.new_account("gmo", "konbini_digital")
        paid = await posted(shop, account, a_form())
        noted = await posted(shop, account, a_form(Status="REQSUCCESS"))
        unreadable = await posted(shop, account, a_form(Amount="12800.5"))
        forged = await posted(shop, account, a_form(ShopPass="wrong"))

    answers = [(a.status, a.body) for a in (paid, noted, unreadable, forged)]
    assert answers == [(200, b"0"), (200, b"0"), (200, b"0"), (200, b"1")]
    assert paid.headers["content-type"].startswith("text/plain")


async def test_what_says_nothing_about_money_is_kept_and_not_counted(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await shop.new_account("gmo", "konbini_digital")
        await posted(shop, account, a_form(Status="REQSUCCESS"))
        kept = decode_archived(shop.world.appender.appended[-1].value)
        metrics = (await shop.api.get("/metrics")).body.decode()

    assert isinstance(kept, NoticeAccepted)
    assert kept.about_money is False
    assert 'keshikomi_notices_not_about_money_total{format="gmo"} 1.0' in metrics
    assert 'keshikomi_notices_accepted_total{format="gmo"}' not in metrics


async def test_an_unreadable_notice_is_kept_in_quarantine_with_its_reason(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.notice(amount_yen="500")
        record = shop.world.appender.appended[-1]
        row = decode_archived(record.value)
        await shop.notice(amount_yen="500")

    assert (answered.status, answered.json["errors"][0]["pointer"]) == (422, "/amount_yen")
    assert isinstance(row, Quarantined)
    assert record.topic == "quarantine"
    assert (row.account_id, row.merchant_id, row.code) == (shop.account, shop.merchant, "malformed")
    assert b'"500"' in base64.b64decode(row.raw_base64)
    assert shop.world.appender.appended[-1].key == record.key


async def test_what_is_not_authentic_is_counted_and_not_kept(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        before = len(shop.world.appender.appended)
        answered = await shop.api.notice(shop.account, a_notice_body(), secret="s" * 20)
        metrics = (await shop.api.get("/metrics")).body.decode()

    assert answered.status == 401
    assert len(shop.world.appender.appended) == before
    assert 'keshikomi_notices_not_authentic_total{format="generic"} 1.0' in metrics


async def test_the_signature_of_another_account_or_body_is_refused(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        other = await shop.new_account("generic", "konbini_slip", secret="another-secret-here")
        replayed = await shop.api.notice(other, a_notice_body())
        forged = await shop.api.call(
            "POST",
            f"/channels/{shop.account}/notices",
            json=a_notice_body(amount_yen=1),
            headers={"X-Keshikomi-Signature": "sha256=" + "0" * 64},
            key="",
        )

    assert (replayed.status, forged.status) == (401, 401)


async def test_a_replayed_request_changes_nothing(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        invoice = await shop.invoice()
        await shop.notice()
        await shop.world.settle()
        before = await shop.get(f"/v1/invoices/{invoice}")
        for _ in range(3):
            await shop.notice()
        await shop.world.settle()

        assert await shop.get(f"/v1/invoices/{invoice}") == before


async def test_an_unknown_account_is_404(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        assert (await shop.api.notice("ca_unknown", a_notice_body())).status == 404


async def test_a_wrong_content_type_is_415(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        assert (await posted(shop, shop.account, b"{}", "text/xml")).status == 415


async def test_a_card_number_and_the_accounts_secret_are_not_kept(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await shop.new_account("gmo", "konbini_digital")
        await posted(shop, account, a_form(ClientField1="4111111111111111"))
        accepted = decode_archived(shop.world.appender.appended[-1].value)
        await posted(shop, account, a_form(ClientField1="4111111111111111", Amount="x"))
        quarantined = decode_archived(shop.world.appender.appended[-1].value)

    assert isinstance(accepted, NoticeAccepted)
    assert isinstance(quarantined, Quarantined)
    for text in (accepted.raw_base64, quarantined.raw_base64):
        raw = base64.b64decode(text)
        assert b"ClientField1=************1111" in raw
        assert b"pass%25word1" not in raw
        assert b"pass%word1" not in raw


async def test_a_reference_that_looks_like_a_card_number_still_matches_and_is_kept(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.notice(reference="4111111111111111")
        resolved, kept = shop.world.appender.appended[-2:]
        accepted = decode_archived(kept.value)

    assert isinstance(accepted, NoticeAccepted)
    assert resolved.key.endswith(b":4111111111111111")
    assert b"4111111111111111" in base64.b64decode(accepted.raw_base64)


async def test_a_reference_that_looks_like_a_card_number_spares_no_other_field(
    tmp_path: Path,
) -> None:
    card = "4111111111111111"
    async with a_shop(tmp_path) as shop:
        await shop.notice(reference=card, store={"chain": "5555555555554444", "code": card})
        resolved, kept = shop.world.appender.appended[-2:]
        accepted = decode_archived(kept.value)

    assert isinstance(accepted, NoticeAccepted)
    raw = base64.b64decode(accepted.raw_base64)
    assert hashlib.sha256(raw).hexdigest() == accepted.raw_sha256
    assert raw.count(card.encode()) == 1
    for stored in (resolved.value, kept.value, raw):
        assert b"5555555555554444" not in stored


async def test_the_same_notice_id_for_another_amount_is_not_a_repeat(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        body = a_notice_body()
        first = await shop.api.notice(shop.account, body)
        other = await shop.api.notice(shop.account, body | {"amount_yen": 1})

    assert first.json["notice_id"] != other.json["notice_id"]
    assert other.json["duplicate"] is False


@pytest.mark.parametrize(
    ("amount_yen", "paid_at"),
    [
        (0, "2026-11-24T10:15:00+09:00"),
        (-1, "2026-11-24T10:15:00+09:00"),
        (10**18, "2026-11-24T10:15:00+09:00"),
        (12_800, "0000-01-01T00:00:00+09:00"),
        (12_800, "0001-01-01T00:00:00+09:00"),
        (12_800, "9999-12-31T23:59:59-09:00"),
        (12_800, "1999-12-31T00:00:00Z"),
        (12_800, "2026-11-27T10:15:00+09:00"),
    ],
)
async def test_impossible_amounts_and_times_are_quarantined(
    tmp_path: Path, amount_yen: int, paid_at: str
) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.notice(amount_yen=amount_yen, paid_at=paid_at)

    assert answered.status == 422
    assert shop.world.appender.appended[-1].topic == "quarantine"


async def test_an_amount_above_the_ceiling_of_slips_is_still_money(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        assert (await shop.notice(amount_yen=300_001)).status == 202
