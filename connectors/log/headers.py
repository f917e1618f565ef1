"""Record headers as bytes: a count-free run of length-prefixed names and values."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache

from streams.domain.errors import CorruptState

_LENGTHS = struct.Struct(">HI")

Headers = tuple[tuple[str, bytes], ...]

TRACES_REMEMBERED_MAX = 256
"""All records of one trace have the same headers, and several are written and read at a time."""


def pack_headers(headers: Iterable[tuple[str, bytes]]) -> bytes | None:
    """Headers as one value of the log table; none at all is NULL."""
    return _packed(tuple(headers))


@lru_cache(maxsize=TRACES_REMEMBERED_MAX)
def _packed(headers: Headers) -> bytes | None:
    parts: list[bytes] = []
    for name, value in headers:
        encoded = name.encode()
        parts += (_LENGTHS.pack(len(encoded), len(value)), encoded, value)
    return b"".join(parts) or None


@lru_cache(maxsize=TRACES_REMEMBERED_MAX)
def unpack_headers(packed: bytes | None) -> Headers:
    """The headers that `pack_headers` was given."""
    if not packed:
        return ()
    headers: list[tuple[str, bytes]] = []
    position = 0
    try:
        while position < len(packed):
            name_length, value_length = _LENGTHS.unpack_from(packed, position)
            middle = position + _LENGTHS.size + name_length
            position, start = middle + value_length, position + _LENGTHS.size
            headers.append((packed[start:middle].decode(), packed[middle:position]))
    except (struct.error, UnicodeDecodeError) as error:
        message = "headers of a log record cannot be read"
        raise CorruptState(message) from error
    if position != len(packed):
        message = "headers of a log record end too early"
        raise CorruptState(message)
    return tuple(headers)
