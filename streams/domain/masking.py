"""Masking: a card number that someone typed into a free field is cut down to its last four digits.

Whoever stores, processes or passes card numbers falls under PCI DSS; a receivable needs none, so
none is kept. Callers apply this to free fields only (names, metadata, descriptions), never to a
reference, which must stay exact to be matched.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

CARD_DIGITS_MIN = 13
CARD_DIGITS_MAX = 19
LAST_DIGITS_KEPT = 4

# Full-width digits, dashes and spaces too: that is how a Japanese keyboard writes a card number.
SEPARATOR = r"[ \-\u3000\u2010-\u2015\u2212\uff0d\u30fc]"
RUN = re.compile(rf"\d+(?:{SEPARATOR}{{1,2}}\d+)*")
LONG_ENOUGH = re.compile(rf"\d(?:{SEPARATOR}{{0,2}}\d){{{CARD_DIGITS_MIN - 1}}}")
GROUP = re.compile(r"\d+")


def mask_card_numbers(text: str) -> str:
    """Replace all but the last four digits of every Luhn-valid string of 13 to 19 digits.

    The digits may stand in groups between spaces or hyphens. A group is taken whole or not at
    all, so longer numbers (44 digits of a slip, 20 of a Pay-easy bill) are left alone; and a
    group of one digit ends a card number, because no card is written so, while the lines
    under a slip's barcode are.
    """
    # Most texts hold nothing that long, and a search costs a tenth of a replacement.
    return RUN.sub(_masked_run, text) if LONG_ENOUGH.search(text) else text


def is_card_number(digits: str) -> bool:
    """Whether these digits alone have the length and the check digit of a card number."""
    if not CARD_DIGITS_MIN <= len(digits) <= CARD_DIGITS_MAX:
        return False
    values = [unicodedata.digit(digit) for digit in digits]
    doubled = (2 * value for value in values[-2::-2])
    return (sum(values[-1::-2]) + sum(value // 10 + value % 10 for value in doubled)) % 10 == 0


def _masked_run(run: re.Match[str]) -> str:
    text = run.group()
    spans = [group.span() for group in GROUP.finditer(text)]
    pieces, done, first = [], 0, 0
    while first < len(spans):
        last = _card_end(text, spans, first)
        if last is None:
            first += 1
            continue
        pieces += [text[done : spans[first][0]], _masked(text[spans[first][0] : spans[last][1]])]
        done, first = spans[last][1], last + 1
    return "".join([*pieces, text[done:]])


def _card_end(text: str, spans: Sequence[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card number that begins with this group."""
    digits, found = "", None
    for index in range(first, len(spans)):
        start, end = spans[index]
        digits += text[start:end]
        if end - start == 1 or len(digits) > CARD_DIGITS_MAX:
            break
        if is_card_number(digits):
            found = index
    return found


def _masked(card: str) -> str:
    kept = len(card)
    for _ in range(LAST_DIGITS_KEPT):
        kept = max(i for i in range(kept) if card[i].isdigit())
    return GROUP.sub(lambda group: "*" * len(group.group()), card[:kept]) + card[kept:]
