"""Card numbers in free fields keep their last four digits; our own numbers stay whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.masking import is_card_number, mask_card_numbers

VISA = "4111111111111111"
SLIP = "91929023252070000010123499900126120100106050"


def with_luhn(body: str) -> str:
    return next(body + str(last) for last in range(10) if is_card_number(body + str(last)))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (VISA, "************1111"),
        ("5555555555554444", "************4444"),
        ("378282246310005", "***********0005"),
        ("30569309025904", "**********5904"),
        ("4222222222222", "*********2222"),
        ("6304000000000000000", "***************0000"),
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("4111-1111-1111-1111", "****-****-****-1111"),
        ("4111 - 1111", "4111 - 1111"),
        ("3782-822463-10005", "****-******-*0005"),
        ("４１１１－１１１１－１１１１－１１１１", "****－****－****－１１１１"),
        ("41 11 11 11 11 11 11 11", "** ** ** ** ** ** 11 11"),
        ("card 4111111111111111, thanks", "card ************1111, thanks"),
        ("ORD4111111111111111X", "ORD************1111X"),
        ("2024 4111 1111 1111 1111", "2024 **** **** **** 1111"),
        ("4111 1111 1111 1111 0", "**** **** **** 1111 0"),
        (f"{VISA} 5555555555554444", "************1111 ************4444"),
        (f"{VISA}\n{VISA}", "************1111\n************1111"),
        ("4222222222222 006", "************2 006"),
        ("4111  1111  1111  1111", "****  ****  ****  1111"),
    ],
)
def test_a_card_number_keeps_its_last_four_digits(text: str, masked: str) -> None:
    assert mask_card_numbers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "山田 太郎",
        "4111111111111112",
        "411111111111",
        "090-1234-5678",
        "2026-11-24 10:15:03",
        SLIP,
        "(91)929023-2520700000101234999001",
        "261201-0-010605-5",
        "41111111111111111111",
        "41111111111111110000",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4111.1111.1111.1111",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert mask_card_numbers(text) == text


@given(body=st.text("0123456789", min_size=12, max_size=18), around=st.text("ab ,:。", max_size=5))
def test_no_card_number_is_left(body: str, around: str) -> None:
    card = with_luhn(body)

    masked = mask_card_numbers(f"{around}{card}{around}")

    assert masked == f"{around}{'*' * (len(card) - 4)}{card[-4:]}{around}"


@given(st.text("0123456789", min_size=20, max_size=60))
def test_a_longer_number_is_no_card_number(digits: str) -> None:
    assert mask_card_numbers(digits) == digits


@given(st.text("0123456789- ０１ーx\n", max_size=60))
def test_masking_hides_digits_and_changes_nothing_else(text: str) -> None:
    masked = mask_card_numbers(text)

    assert len(masked) == len(text)
    assert all(new in (old, "*") for old, new in zip(text, masked, strict=True))
    assert mask_card_numbers(masked) == masked


def test_a_long_run_of_groups_is_read_to_its_end() -> None:
    text = "3-4-" * 5_000

    assert mask_card_numbers(f"{text}4111-1111-1111-1111") == f"{text}****-****-****-1111"
