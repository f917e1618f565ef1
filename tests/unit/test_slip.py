"""The 44 digits of a slip: built, read, and refused where they cannot be true."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.errors import Malformed
from streams.domain.slip import Barcode, build_barcode, canonical_slip, check_digit, read_barcode

# A collected slip of DSK (maker 929023), and one of a shop with an old maker code.
COLLECTED = "91929023252070000010123499900126120100106050"
OF_A_SHOP = "91912345000000000000000042300399999913000008"


def counted_from_the_right(digits: str) -> str:
    """The rule as GS1 Japan words it: from the right, the check digit being number 1."""
    numbered = {place: int(digit) for place, digit in enumerate(reversed(digits), start=2)}
    even = sum(value for place, value in numbered.items() if place % 2 == 0)
    odd = sum(value for place, value in numbered.items() if place % 2 == 1)
    return str((10 - (3 * even + odd) % 10) % 10)


def a_barcode(
    *, amount_yen: int = 10_605, due_date: date | None = date(2026, 12, 1), reissue: int = 0
) -> str:
    return build_barcode(
        maker_code="929023",
        free_use="252070000010123499900",
        reissue=reissue,
        due_date=due_date,
        amount_yen=amount_yen,
    )


def with_digit(text: str, position: int, digit: str) -> str:
    """Change a position, counted from 1, and make the check digit fit again."""
    body = text[: position - 1] + digit + text[position:-1]
    return body + check_digit(body)


def test_a_slip_says_what_it_was_built_from() -> None:
    barcode = read_barcode(COLLECTED)

    assert barcode == Barcode(
        maker_code="929023",
        free_use="252070000010123499900",
        reissue=1,
        due_date=date(2026, 12, 1),
        revenue_stamp=False,
        amount_yen=10_605,
    )
    assert barcode.digits == COLLECTED
    assert a_barcode(reissue=1) == COLLECTED


def test_the_largest_slip_without_a_due_date_and_with_a_revenue_stamp() -> None:
    barcode = read_barcode(OF_A_SHOP)

    assert (barcode.maker_code, barcode.reissue, barcode.amount_yen) == ("912345", 3, 300_000)
    assert barcode.due_date is None
    assert barcode.revenue_stamp
    assert barcode.digits == OF_A_SHOP


@given(st.integers(0, 10**43 - 1))
def test_the_check_digit_follows_the_published_rule(number: int) -> None:
    assert check_digit(f"{number:043d}") == counted_from_the_right(f"{number:043d}")


def test_the_check_digit_is_over_the_91_too() -> None:
    # With 9 at weight 3 and 1 at weight 1 the 91 adds 28, so leaving it out always shows.
    assert check_digit(COLLECTED[:-1]) == COLLECTED[-1]
    assert check_digit(COLLECTED[2:-1]) != COLLECTED[-1]


@pytest.mark.parametrize("position", range(44))
def test_any_wrong_digit_is_noticed(position: int) -> None:
    other = str((int(COLLECTED[position]) + 1) % 10)

    with pytest.raises(Malformed):
        read_barcode(COLLECTED[:position] + other + COLLECTED[position + 1 :])


def test_a_short_free_use_is_filled_with_zeros_on_the_right() -> None:
    text = build_barcode(maker_code="929023", free_use="25207", due_date=None, amount_yen=1)

    assert read_barcode(text).free_use == "252070000000000000000"
    assert text[37:43] == "000001"


@pytest.mark.parametrize("amount_yen", [1, 299_999, 300_000])
def test_amounts_up_to_the_ceiling(amount_yen: int) -> None:
    assert read_barcode(a_barcode(amount_yen=amount_yen)).amount_yen == amount_yen


@pytest.mark.parametrize("amount_yen", [-1, 0, 300_001, 999_999, 10**18])
def test_other_amounts_are_not_issued(amount_yen: int) -> None:
    with pytest.raises(Malformed, match="1 to 300000 yen"):
        a_barcode(amount_yen=amount_yen)


@pytest.mark.parametrize("amount", ["000000", "300001", "999999"])
def test_other_amounts_are_not_read(amount: str) -> None:
    body = COLLECTED[:37] + amount

    with pytest.raises(Malformed, match="yen"):
        read_barcode(body + check_digit(body))


@pytest.mark.parametrize("year", [1999, 2100])
def test_a_due_date_outside_the_century_is_not_issued(year: int) -> None:
    with pytest.raises(Malformed, match="2000 to 2099"):
        a_barcode(due_date=date(year, 6, 1))


@pytest.mark.parametrize("reissue", [-1, 10])
def test_a_slip_is_issued_again_nine_times(reissue: int) -> None:
    with pytest.raises(Malformed, match="nine times"):
        a_barcode(reissue=reissue)


@pytest.mark.parametrize("maker_code", ["", "92902", "9290231", "92902a", "９２９０２３"])
def test_a_maker_code_has_six_digits(maker_code: str) -> None:
    with pytest.raises(Malformed, match="maker code"):
        build_barcode(maker_code=maker_code, free_use="1", due_date=None, amount_yen=1)


@pytest.mark.parametrize("free_use", ["", "1" * 22, "12-3", "１"])
def test_the_free_use_has_digits_alone(free_use: str) -> None:
    with pytest.raises(Malformed, match="free use"):
        build_barcode(maker_code="929023", free_use=free_use, due_date=None, amount_yen=1)


@pytest.mark.parametrize(
    "text",
    ["", COLLECTED[:-1], COLLECTED + "0", "92" + COLLECTED[2:], COLLECTED.replace("9", "９")],
)
def test_what_has_not_the_form_of_a_barcode_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="44 digits"):
        read_barcode(text)


def test_a_revenue_stamp_is_there_or_not() -> None:
    with pytest.raises(Malformed, match="revenue stamp"):
        read_barcode(with_digit(COLLECTED, 37, "2"))


def test_a_due_date_is_a_date() -> None:
    with pytest.raises(Malformed, match="not a date"):
        read_barcode(with_digit(COLLECTED, 33, "2"))  # month 22


def test_the_printed_lines_can_be_typed_in() -> None:
    printed = read_barcode(COLLECTED).printable()

    assert printed == "(91)929023-2520700000101234999001\n261201-0-010605-0"
    assert read_barcode(printed) == read_barcode(COLLECTED)
    assert read_barcode(f" {printed} ").digits == COLLECTED


def test_every_form_of_one_slip_has_one_canonical_reference() -> None:
    forms = [
        a_barcode(),
        a_barcode(due_date=None),  # as a postal notice gives it
        a_barcode(reissue=2, due_date=date(2027, 1, 1)),
        read_barcode(a_barcode()).printable(),
        "929023252070000010123499900",
        "929023-252070000010123499900",
    ]

    assert {canonical_slip(form) for form in forms} == {"929023252070000010123499900"}


def test_a_canonical_reference_of_a_wrong_barcode_is_refused() -> None:
    with pytest.raises(Malformed, match="check digit"):
        canonical_slip(COLLECTED[:-1] + "6")


barcodes = st.builds(
    Barcode,
    maker_code=st.integers(0, 10**6 - 1).map("{:06d}".format),
    free_use=st.integers(0, 10**21 - 1).map("{:021d}".format),
    reissue=st.integers(0, 9),
    due_date=st.none() | st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    revenue_stamp=st.booleans(),
    amount_yen=st.integers(1, 300_000),
)


@given(barcodes)
def test_what_is_built_is_read(barcode: Barcode) -> None:
    assert len(barcode.digits) == 44
    assert read_barcode(barcode.digits) == barcode
    assert read_barcode(barcode.printable()) == barcode
