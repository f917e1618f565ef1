"""The numbers that we issue: the chains' shapes, the same again, and never a card number."""

from __future__ import annotations

import re

import pytest

from streams.domain.errors import Malformed
from streams.domain.ids import InvoiceId
from streams.domain.masking import mask_card_numbers
from streams.domain.numbers import Chain, DigitalNumbers, digital_numbers, slip_free_use
from streams.domain.slip import build_barcode, canonical_slip, read_barcode

KEY = b"a key of thirty-two bytes, or so"
COMPANY = "25207"
SHAPES = {
    Chain.SEVEN_ELEVEN: r"[1-9]\d{12}",
    Chain.LAWSON: r"[1-9]\d{10}-[1-9]\d{5}",
    Chain.MINISTOP: r"[1-9]\d{10}-[1-9]\d{5}",
    Chain.FAMILYMART: rf"{COMPANY}-[1-9]\d{{11}}",
    Chain.SEICOMART: r"[1-9]\d{10}-00[1-9]\d{8}",
    Chain.DAILY_YAMAZAKI: r"[1-9]\d{10}",
}
MANY = 300
LITERAL = {
    Chain.SEVEN_ELEVEN: "7514121021830",
    Chain.LAWSON: "72698783743-421815",
    Chain.MINISTOP: "84213017440-990428",
    Chain.FAMILYMART: "25207-990940142889",
    Chain.SEICOMART: "85895302604-00374040380",
    Chain.DAILY_YAMAZAKI: "65598633042",
}
LITERAL_FREE_USE = "252077689277096136872"


def numbers_of(
    invoice: int = 1, *, chain: Chain = Chain.SEVEN_ELEVEN, attempt: int = 0, key: bytes = KEY
) -> DigitalNumbers:
    return digital_numbers(
        key=key,
        invoice_id=InvoiceId(f"inv_{invoice}"),
        chain=chain,
        attempt=attempt,
        company_code=COMPANY,
    )


def free_use_of(invoice: int = 1, *, attempt: int = 0, key: bytes = KEY) -> str:
    return slip_free_use(
        key=key, invoice_id=InvoiceId(f"inv_{invoice}"), attempt=attempt, company_code=COMPANY
    )


def luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


@pytest.mark.parametrize("chain", Chain)
def test_a_chain_gets_the_shape_that_its_terminals_want(chain: Chain) -> None:
    for invoice in range(MANY):
        numbers = numbers_of(invoice, chain=chain)

        assert re.fullmatch(SHAPES[chain], numbers.reference)
        assert numbers.chain is chain
        assert all(shown.label for shown in numbers.shown)


def test_the_numbers_are_the_same_again_in_every_version() -> None:
    # An invoice that is registered again must get what the payer already has in hand.
    assert {chain: numbers_of(chain=chain).reference for chain in Chain} == LITERAL
    assert free_use_of() == LITERAL_FREE_USE


@pytest.mark.parametrize("chain", Chain)
def test_other_invoices_attempts_and_keys_get_other_numbers(chain: Chain) -> None:
    drawn = [numbers_of(invoice, chain=chain).reference for invoice in range(MANY)]
    drawn += [numbers_of(chain=chain, attempt=attempt).reference for attempt in range(1, MANY)]
    drawn += [numbers_of(chain=chain, key=b"another").reference]

    assert len(set(drawn)) == len(drawn)


def test_chains_do_not_share_their_draws() -> None:
    assert numbers_of(chain=Chain.LAWSON).reference != numbers_of(chain=Chain.MINISTOP).reference


def test_an_invoice_does_not_meet_another_by_its_attempt() -> None:
    # "inv_1" with attempt 11 and "inv_11" with attempt 1 join to the same letters.
    assert numbers_of(1, attempt=11).reference != numbers_of(11, attempt=1).reference


@pytest.mark.parametrize("chain", Chain)
def test_a_number_is_never_one_that_would_be_masked_as_a_card_number(chain: Chain) -> None:
    for invoice in range(MANY):
        reference = numbers_of(invoice, chain=chain).reference
        digits = reference.replace("-", "")

        assert mask_card_numbers(reference) == reference
        assert not (13 <= len(digits) <= 19 and luhn(digits))


def test_the_digits_are_spread_evenly() -> None:
    last = [numbers_of(invoice).reference[-2:] for invoice in range(1_000)]

    assert len(set(last)) == 100


def test_a_slip_made_from_the_free_digits_can_be_read() -> None:
    drawn = set()
    for invoice in range(MANY):
        free_use = free_use_of(invoice)
        text = build_barcode(maker_code="929023", free_use=free_use, due_date=None, amount_yen=1)

        assert re.fullmatch(rf"{COMPANY}[1-9]\d{{5}}[1-9]\d{{9}}", free_use)
        assert read_barcode(text).free_use == free_use
        assert canonical_slip(text) == f"929023{free_use}"
        drawn.add(free_use)
    assert len(drawn) == MANY


def test_other_attempts_and_keys_get_other_free_digits() -> None:
    assert len({free_use_of(), free_use_of(attempt=1), free_use_of(key=b"another")}) == 3


@pytest.mark.parametrize("company_code", ["", "2520", "252070", "2520a", "２５２０７"])
def test_a_company_code_has_five_digits(company_code: str) -> None:
    with pytest.raises(Malformed, match="company code"):
        slip_free_use(key=KEY, invoice_id=InvoiceId("inv_1"), company_code=company_code)
    with pytest.raises(Malformed, match="company code"):
        digital_numbers(
            key=KEY,
            invoice_id=InvoiceId("inv_1"),
            chain=Chain.FAMILYMART,
            company_code=company_code,
        )
