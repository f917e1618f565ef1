"""Whether answers to a webhook acknowledge it, judged as the product judges them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from connectors.answering import RELEASED_AT, read_released_at

NOT_YET = re.compile(rf'"{RELEASED_AT}"\s*:\s*null'.encode())
"""How a shop may say that the order has not left."""


class Acknowledging(StrEnum):
    """What several answers to one webhook say."""

    GOOD = "good"
    BAD = "bad"
    """One means to acknowledge, and would not be understood."""
    NONE = "none"


def acknowledging(answers: Sequence[bytes]) -> Acknowledging:
    """What is not understood counts first: whoever sends it believes that he has acknowledged."""
    said = [text for text in answers if RELEASED_AT.encode() in text and not NOT_YET.search(text)]
    if any(read_released_at(text) is None for text in said):
        return Acknowledging.BAD
    return Acknowledging.GOOD if said else Acknowledging.NONE
