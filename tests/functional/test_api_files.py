"""A channel's file: taken whole or refused whole, and the same file twice adds nothing."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from streams.codecs import decode_archived
from streams.happenings import NoticeAccepted
from tests.api_harness import Answered
from tests.api_shop import Shop, a_shop, open_shop

SAMPLES = Path(__file__).parents[1] / "samples" / "dsk"
GOOD = (SAMPLES / "good-every-kind.body").read_bytes()
COMPANY = json.loads((SAMPLES / "account.json").read_text())["config"]["company_code"]
CSV = "text/csv; charset=cp932"


async def uploaded(shop: Shop, account: str, data: bytes, **headers: str) -> Answered:
    sent = {"Content-Type": CSV, **headers}
    return await shop.api.call("POST", f"/v1/files?account={account}", data=data, headers=sent)


async def a_dsk_account(shop: Shop) -> str:
    return await shop.new_account("dsk", "konbini_slip", company_code=COMPANY)


async def test_a_file_is_taken_and_each_line_is_kept(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await a_dsk_account(shop)
        before = len(shop.world.appender.appended)
        answered = await uploaded(shop, account, GOOD)
        records = shop.world.appender.appended[before:]
        kept = [decode_archived(r.value) for r in records if r.topic == "history"]
        lines = [line for line in GOOD.split(b"\r\n")[1:] if line]

    assert answered.status == 202
    assert answered.json["records"] == len(lines) == answered.json["accepted"]
    assert answered.json["duplicates"] == 0
    assert [base64.b64decode(k.raw_base64) for k in kept if isinstance(k, NoticeAccepted)] == lines


async def test_the_same_file_again_adds_nothing(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await a_dsk_account(shop)
        first = await uploaded(shop, account, GOOD)
        await shop.world.settle()
        before = await shop.world.history.counts()
        async with shop.world.api() as other:
            other.key = shop.key
            shop.api = other
            again = await uploaded(shop, account, GOOD)
        await shop.world.settle()
        after = await shop.world.history.counts()

    assert again.json["file_id"] == first.json["file_id"]
    assert (again.json["accepted"], again.json["duplicates"]) == (0, first.json["records"])
    assert (after.accepted, after.unmatched) == (before.accepted, before.unmatched)


async def test_a_file_that_is_bad_anywhere_is_refused_whole_with_line_and_column(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        account = await a_dsk_account(shop)
        before = len(shop.world.appender.appended)
        lines = GOOD.split(b"\r\n")
        lines[3] = lines[3].replace(b",", b";", 1)
        answered = await uploaded(shop, account, b"\r\n".join(lines))

    assert answered.status == 422
    assert answered.json["errors"][0]["detail"].startswith("line 4, column")
    assert all(set(fault) == {"detail"} for fault in answered.json["errors"])
    assert len(shop.world.appender.appended) == before


async def test_a_file_that_says_what_cannot_be_is_refused_whole(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await a_dsk_account(shop)
        before = len(shop.world.appender.appended)
        shop.world.clock.move(days=-3_650)
        answered = await uploaded(shop, account, GOOD)

    assert answered.status == 422
    assert answered.json["errors"][0]["detail"].startswith("line 2")
    assert "ahead" in answered.json["errors"][0]["detail"]
    assert len(shop.world.appender.appended) == before


async def test_a_format_without_files_and_another_merchants_account_are_refused(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        theirs = await a_dsk_account(shop)
        assert (await uploaded(shop, shop.account, GOOD)).status == 422
        mine = await open_shop(shop.world, shop.api)

        assert (await uploaded(mine, theirs, GOOD)).status == 404
        assert (await mine.api.call("POST", "/v1/files", data=GOOD)).status == 422


async def test_a_file_may_be_larger_than_a_body(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await a_dsk_account(shop)
        answered = await uploaded(shop, account, b"x" * 300_000)

    assert answered.status == 422


async def test_a_file_under_an_idempotency_key_is_taken_once(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await a_dsk_account(shop)
        first = await uploaded(shop, account, GOOD, **{"Idempotency-Key": "f-1"})
        written = len(shop.world.appender.appended)
        again = await uploaded(shop, account, GOOD, **{"Idempotency-Key": "f-1"})

    assert again.body == first.body
    assert len(shop.world.appender.appended) == written
