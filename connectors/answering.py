"""What a receiver's answer says: the text that is kept, and the business acknowledgement in it."""

from __future__ import annotations

from datetime import datetime

from connectors.moments import read_rfc3339
from streams.codecs import check_json
from streams.domain.errors import Malformed

KEPT_BYTES_MAX = 1024
RELEASED_AT = "released_at"


def kept_text(data: bytes) -> str:
    """The beginning of an answer as text that any store of history takes."""
    # NUL is text nowhere: some stores of history refuse it.
    return data[:KEPT_BYTES_MAX].decode("utf-8", "replace").replace("\x00", "\ufffd")


def read_released_at(data: bytes) -> datetime | None:
    """When the order was released, in UTC; None where the answer does not say so by the letter."""
    if RELEASED_AT.encode() not in data:
        return None  # nearly every answer, and checking JSON takes a while
    try:
        answer = check_json(data)
        said = answer.get(RELEASED_AT) if isinstance(answer, dict) else None
        return read_rfc3339(said)
    except (Malformed, ValueError):
        return None
