"""A konbini slip (払込票): the 44 digits of its GS1-128 barcode, built and read.

The layout is that of GS1 Japan, 「GS1-128シンボルによる標準料金代理収納ガイドライン」: application
identifier 91, maker code (6), free use (21), number of the re-issue (1), due date YYMMDD (6),
revenue stamp (1), amount in yen (6), check digit (1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from streams.domain.errors import Malformed

APPLICATION_IDENTIFIER = "91"
AMOUNT_YEN_MIN = 1
AMOUNT_YEN_MAX = 300_000
"""What a shop may take for one slip."""
FREE_USE_DIGITS = 21
NO_DUE_DATE = "999999"
CENTURY = 2000
YEARS = range(CENTURY, CENTURY + 100)
REISSUES = range(10)

SEPARATORS = str.maketrans("", "", "()- \r\n")
LAYOUT = re.compile(
    r"91(?P<maker>[0-9]{6})(?P<free>[0-9]{21})(?P<reissue>[0-9])"
    r"(?P<due>[0-9]{6})(?P<stamp>[0-9])(?P<amount>[0-9]{6})(?P<check>[0-9])"
)
MAKER_CODE = re.compile("[0-9]{6}")
FREE_USE = re.compile("[0-9]{1,21}")
CANONICAL = re.compile("[0-9]{27}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Barcode:
    """What a slip's barcode says; `due_date` is None where there is no limit."""

    maker_code: str
    free_use: str
    reissue: int
    due_date: date | None
    revenue_stamp: bool
    amount_yen: int

    @property
    def digits(self) -> str:
        """The 44 digits that the symbol encodes."""
        due = f"{self.due_date:%y%m%d}" if self.due_date else NO_DUE_DATE
        body = (
            f"{APPLICATION_IDENTIFIER}{self.maker_code}{self.free_use}{self.reissue}"
            f"{due}{int(self.revenue_stamp)}{self.amount_yen:06d}"
        )
        return body + check_digit(body)

    @property
    def canonical(self) -> str:
        """Maker code and free use: what stays the same in every notice of this slip.

        A postal notice forces the due date to 999999, a re-issue counts up its own digit, and
        both change the check digit.
        """
        return self.maker_code + self.free_use

    def printable(self) -> str:
        """The two lines that people read below the symbol."""
        digits = self.digits
        return (
            f"({digits[:2]}){digits[2:8]}-{digits[8:30]}\n"
            f"{digits[30:36]}-{digits[36]}-{digits[37:43]}-{digits[43]}"
        )


def check_digit(digits: str) -> str:
    """Modulus 10 with weights 3, 1, 3, ... from the right, over the "91" too."""
    threes, ones = digits[::-1][::2], digits[::-1][1::2]
    total = 3 * sum(map(int, threes)) + sum(map(int, ones))
    return str(-total % 10)


def build_barcode(
    *,
    maker_code: str,
    free_use: str,
    reissue: int = 0,
    due_date: date | None,
    revenue_stamp: bool = False,
    amount_yen: int,
) -> str:
    """The 44 digits of a slip; a short free use is filled with zeros on the right.

    Whether a revenue stamp is due is the issuer's to say: it depends on the amount before tax,
    which the slip does not show.
    """
    if not MAKER_CODE.fullmatch(maker_code):
        raise Malformed("the maker code must have 6 digits")
    if not FREE_USE.fullmatch(free_use):
        raise Malformed(f"the free use must have 1 to {FREE_USE_DIGITS} digits")
    if reissue not in REISSUES:
        raise Malformed("a slip can be issued again nine times")
    if due_date is not None and due_date.year not in YEARS:
        raise Malformed("the due date must lie in the years 2000 to 2099")
    _check_amount(amount_yen)
    return Barcode(
        maker_code=maker_code,
        free_use=free_use.ljust(FREE_USE_DIGITS, "0"),
        reissue=reissue,
        due_date=due_date,
        revenue_stamp=revenue_stamp,
        amount_yen=amount_yen,
    ).digits


def read_barcode(text: str) -> Barcode:
    """Read the 44 digits, printed with separators or plain, or raise `Malformed`."""
    digits = text.translate(SEPARATORS)
    match = LAYOUT.fullmatch(digits)
    if match is None:
        raise Malformed("a slip's barcode has 44 digits and begins with 91")
    if check_digit(digits[:-1]) != match["check"]:
        raise Malformed("the check digit of the barcode is wrong")
    if match["stamp"] not in "01":
        raise Malformed("the revenue stamp of the barcode must be 0 or 1")
    amount_yen = int(match["amount"])
    _check_amount(amount_yen)
    return Barcode(
        maker_code=match["maker"],
        free_use=match["free"],
        reissue=int(match["reissue"]),
        due_date=_due_date(match["due"]),
        revenue_stamp=match["stamp"] == "1",
        amount_yen=amount_yen,
    )


def canonical_slip(text: str) -> str:
    """The canonical form of a barcode, checked; what is canonical already stays as it is."""
    plain = text.translate(SEPARATORS)
    return plain if CANONICAL.fullmatch(plain) else read_barcode(plain).canonical


def _due_date(yymmdd: str) -> date | None:
    if yymmdd == NO_DUE_DATE:
        return None
    try:
        return date(CENTURY + int(yymmdd[:2]), int(yymmdd[2:4]), int(yymmdd[4:]))
    except ValueError:
        raise Malformed("the due date of the barcode is not a date") from None


def _check_amount(amount_yen: int) -> None:
    if not AMOUNT_YEN_MIN <= amount_yen <= AMOUNT_YEN_MAX:
        raise Malformed(f"a slip can ask for {AMOUNT_YEN_MIN} to {AMOUNT_YEN_MAX} yen")
