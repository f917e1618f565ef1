"""Messages kept as JSON in rows: what cannot be read back is our own fault."""

from __future__ import annotations

from typing import TypeVar

from streams.codecs import decode_archived
from streams.domain.errors import CorruptState, Malformed

M = TypeVar("M")


def kept_message(text: str, kind: type[M]) -> M:
    """The message of this kind that a row keeps."""
    try:
        message = decode_archived(text.encode())
    except Malformed as error:
        raise CorruptState(f"history keeps an unreadable {kind.__name__}: {error}") from None
    if not isinstance(message, kind):
        raise CorruptState(f"history keeps a {type(message).__name__} for a {kind.__name__}")
    return message
