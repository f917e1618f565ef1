"""Opaque cursors of lists: where a page ended, for URLs, refused when they are not ours."""

from __future__ import annotations

import base64
import binascii
import json

from streams.domain.errors import Malformed

CURSOR_CHARACTERS_MAX = 512
_INTEGER_MAX = 2**63 - 1


def cursor_of(kind: str, *keys: int | str) -> str:
    """A cursor of one kind of list, from the keys that the list is ordered by."""
    text = json.dumps([kind, *keys], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def position_in(cursor: str, kind: str) -> int:
    """The one number in a cursor of this kind; raise `Malformed` for anything else."""
    keys = _keys_in(cursor, kind)
    if len(keys) != 1 or not _is_number(keys[0]):
        raise _not_ours()
    return int(keys[0])


def time_and_id_in(cursor: str, kind: str) -> tuple[int, str]:
    """The time and the id in a cursor of this kind; raise `Malformed` for anything else."""
    keys = _keys_in(cursor, kind)
    if len(keys) != 2 or not _is_number(keys[0]) or not isinstance(keys[1], str):  # noqa: PLR2004  # a time and an id
        raise _not_ours()
    return int(keys[0]), keys[1]


def _keys_in(cursor: str, kind: str) -> list[int | str]:
    if not cursor.isascii() or len(cursor) > CURSOR_CHARACTERS_MAX:
        raise _not_ours()
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        keys = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        raise _not_ours() from None
    # Only the spelling that we give is ours, so one place has one cursor.
    if not isinstance(keys, list) or not keys or keys[0] != kind:
        raise _not_ours()
    if cursor_of(*keys) != cursor:
        raise _not_ours()
    return keys[1:]


def _is_number(key: int | str) -> bool:
    return type(key) is int and 0 <= key <= _INTEGER_MAX


def _not_ours() -> Malformed:
    return Malformed("the cursor is not one that this list gave")
