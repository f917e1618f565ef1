"""Payment numbers that we issue ourselves: derived under a key, so equal again and not guessable.

That a number is nobody else's is not decided here: the caller claims it and, where it is taken,
draws again with the next `attempt`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from streams.domain.errors import Malformed
from streams.domain.ids import InvoiceId
from streams.domain.masking import mask_card_numbers

COMPANY_CODE = re.compile("[0-9]{5}")


class Chain(StrEnum):
    """The chains for which numbers are issued."""

    SEVEN_ELEVEN = "seven_eleven"
    LAWSON = "lawson"
    MINISTOP = "ministop"
    FAMILYMART = "familymart"
    SEICOMART = "seicomart"
    DAILY_YAMAZAKI = "daily_yamazaki"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNumber:
    """One number with the name under which the chain's terminal asks for it."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalNumbers:
    """What the payer types in at the shop."""

    chain: Chain
    shown: tuple[ShownNumber, ...]

    @property
    def reference(self) -> str:
        """All of it in one string: the value that is claimed and matched."""
        return "-".join(number.value for number in self.shown)


Digits = Callable[[int], str]
"""So many digits of the draw; the first is never zero, so a spreadsheet leaves them whole."""


def _seven_eleven(digits: Digits, _: str) -> tuple[ShownNumber, ...]:
    return (ShownNumber(label="払込票番号", value=digits(13)),)


def _lawson(digits: Digits, _: str) -> tuple[ShownNumber, ...]:
    return (
        ShownNumber(label="お客様番号", value=digits(11)),
        ShownNumber(label="確認番号", value=digits(6)),
    )


def _familymart(digits: Digits, company_code: str) -> tuple[ShownNumber, ...]:
    return (
        ShownNumber(label="企業コード", value=company_code),
        ShownNumber(label="注文番号", value=digits(12)),
    )


def _seicomart(digits: Digits, _: str) -> tuple[ShownNumber, ...]:
    # The terminal wants a telephone number. None begins with 00 and nine more digits, so the
    # one that we make up is nobody's.
    return (
        ShownNumber(label="受付番号", value=digits(11)),
        ShownNumber(label="電話番号", value=f"00{digits(9)}"),
    )


def _daily_yamazaki(digits: Digits, _: str) -> tuple[ShownNumber, ...]:
    return (ShownNumber(label="オンライン決済番号", value=digits(11)),)


SHAPES: dict[Chain, Callable[[Digits, str], tuple[ShownNumber, ...]]] = {
    Chain.SEVEN_ELEVEN: _seven_eleven,
    Chain.LAWSON: _lawson,
    Chain.MINISTOP: _lawson,
    Chain.FAMILYMART: _familymart,
    Chain.SEICOMART: _seicomart,
    Chain.DAILY_YAMAZAKI: _daily_yamazaki,
}


def digital_numbers(
    *, key: bytes, invoice_id: InvoiceId, chain: Chain, attempt: int = 0, company_code: str
) -> DigitalNumbers:
    """The numbers for one invoice at one chain; the same again for the same arguments.

    A draw that would be masked as a card number is passed over.
    """
    _check_company_code(company_code)
    drawn = (
        DigitalNumbers(chain=chain, shown=SHAPES[chain](draw, company_code))
        for draw in _draws(key, "digital", invoice_id, chain, str(attempt))
    )
    return next(n for n in drawn if mask_card_numbers(n.reference) == n.reference)


def slip_free_use(*, key: bytes, invoice_id: InvoiceId, attempt: int = 0, company_code: str) -> str:
    """The 21 free digits of a slip: company code (5), then what the user's fields hold (6, 10)."""
    _check_company_code(company_code)
    draw = next(_draws(key, "slip", invoice_id, str(attempt)))
    return company_code + draw(6) + draw(10)


def _check_company_code(company_code: str) -> None:
    if not COMPANY_CODE.fullmatch(company_code):
        raise Malformed("a company code has 5 digits")


def _draws(key: bytes, *context: str) -> Iterator[Digits]:
    return (_draw(key, (*context, str(number))) for number in count())


def _draw(key: bytes, context: tuple[str, ...]) -> Digits:
    # Each part is framed by its length, as in `ids.derive`.
    framed = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in context)
    source = int.from_bytes(hmac.digest(key, framed, hashlib.sha256), "big")

    def digits(length: int) -> str:
        nonlocal source
        lowest = 10 ** (length - 1)
        source, value = divmod(source, 9 * lowest)
        return str(lowest + value)

    return digits
