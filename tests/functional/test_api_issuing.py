"""References issued for an invoice: right, unique, the same again, claimed however written."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.sealing import Sealer
from streams.domain.ids import InvoiceId, MerchantId, invoice_id
from streams.domain.numbers import Chain, slip_free_use
from streams.domain.slip import build_barcode, read_barcode
from tests.api_harness import MASTER_KEY
from tests.api_shop import a_merchant, a_shop


async def test_a_slip_says_amount_due_date_in_japan_stamp_and_company(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        # The oldest account of the channel issues.
        answered = await shop.register(
            references=None,
            channels=["konbini_slip"],
            amount_yen=300_000,
            due_at="2026-12-01T15:00:00Z",
            revenue_stamp=True,
        )
        (reference,) = answered.json["references"]
        slip = read_barcode(reference["value"])

    assert answered.status == 201
    assert (reference["channel"], reference["account_id"]) == ("konbini_slip", shop.account)
    assert (slip.amount_yen, slip.revenue_stamp) == (300_000, True)
    assert slip.due_date is not None
    assert slip.due_date.isoformat() == "2026-12-02"


async def test_a_slip_of_a_dsk_account_carries_its_codes(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        merchant = await a_merchant(shop.api)
        shop.merchant, shop.api.key = merchant["id"], merchant["api_key"]
        await shop.new_account("dsk", "konbini_slip")
        answered = await shop.register(references=None, channels=["konbini_slip"])

    assert answered.json["references"][0]["value"][2:13] == "92902312345"


async def test_digital_numbers_are_issued_for_every_chain(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        account = await shop.new_account("generic", "konbini_digital")
        answered = await shop.register(references=None, channels=["konbini_digital"])
        references = answered.json["references"]

    assert [each["chain"] for each in references] == list(Chain)
    assert {each["account_id"] for each in references} == {account}
    assert len({each["value"] for each in references}) == len(Chain)


async def test_registering_again_gives_the_same_references(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.new_account("generic", "konbini_digital")
        channels = ["konbini_slip", "konbini_digital"]
        first = await shop.register(channels=channels)
        published = shop.world.appender.appended[-9:]
        again = await shop.register(channels=channels)
        other = await shop.register("ORD-2", channels=channels)

    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json
    assert [r.value for r in published] == [r.value for r in shop.world.appender.appended[-18:-9]]
    assert not {each["value"] for each in first.json["references"]} & {
        each["value"] for each in other.json["references"]
    }


async def test_a_number_that_is_taken_is_drawn_again(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        wanted = invoice_id(MerchantId(shop.merchant), "ORD-1001")
        taken = _first_draw(wanted)
        owner = await shop.register("OWNER", references=[_tied(shop.account, taken)])
        answered = await shop.register(references=None, channels=["konbini_slip"])
        again = await shop.register(references=None, channels=["konbini_slip"])
        slip = read_barcode(answered.json["references"][0]["value"])

    assert (owner.status, answered.status, again.status) == (201, 201, 200)
    assert f"{slip.maker_code}{slip.free_use}" != taken[2:29]
    assert answered.json == again.json


def _first_draw(wanted: InvoiceId) -> str:
    """The slip that the invoice of the test gets if nobody has it."""
    free_use = slip_free_use(
        key=Sealer([MASTER_KEY]).derive("payment numbers"),
        invoice_id=wanted,
        company_code="99999",
    )
    return build_barcode(
        maker_code="999999",
        free_use=free_use,
        due_date=date(2026, 12, 1),
        amount_yen=12_800,
    )


def _tied(account: str, value: str) -> dict[str, str]:
    return {"account_id": account, "value": value}


async def test_two_spellings_of_one_slip_are_one_claim_and_are_shown_as_given(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        account = await shop.new_account("dsk", "konbini_slip")
        slip = _first_draw(InvoiceId("inv_any"))
        printed = f"({slip[:2]}){slip[2:8]}-{slip[8:]}"
        first = await shop.register("A", references=[_tied(account, printed)])
        key = shop.world.appender.appended[-1].key
        other = await shop.register("B", references=[_tied(account, slip)])
        twice = await shop.register("C", references=[_tied(account, slip), _tied(account, printed)])

    assert first.json["references"] == [{"account_id": account, "value": printed}]
    assert key == f"{account}:{slip[2:29]}".encode()
    assert (other.status, twice.status) == (409, 422)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount_yen": 300_001}, "/amount_yen"),
        ({"channels": ["konbini_digital"]}, "/channels/0"),
        ({"channels": ["konbini_slip", "konbini_slip"]}, "/channels"),
        ({"channels": ["payeasy"]}, "/channels/0"),
    ],
)
async def test_what_cannot_be_issued_is_refused(
    tmp_path: Path, change: dict[str, Any], pointer: str
) -> None:
    async with a_shop(tmp_path) as shop:
        answered = await shop.register(**{"channels": ["konbini_slip"], **change})

    assert answered.status == 422
    assert [fault["pointer"] for fault in answered.json["errors"]] == [pointer]


async def test_without_a_konbini_an_invoice_may_be_larger(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        assert (await shop.register(amount_yen=9_999_999_999)).status == 201
