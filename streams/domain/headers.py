"""Headers that a merchant adds to the deliveries of an endpoint: which ones, and how they show."""

from __future__ import annotations

import re
from collections.abc import Iterable

HEADERS_MAX = 10
HEADER_NAME_CHARACTERS_MAX = 64
HEADER_VALUE_CHARACTERS_MAX = 256
MASK = "***"
SHOWN_CHARACTERS = 4
SHOWN_FROM_CHARACTERS = 16
"""A value that is shorter shows nothing of itself: its end would be too much of it."""

RESERVED = frozenset(
    {
        "accept-encoding", "connection", "cookie", "expect", "host", "keep-alive", "set-cookie",
        "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent",
    }
)  # fmt: skip
"""What says how a message is framed, or who sends it; a sender without a memory has no cookies."""
RESERVED_PREFIXES = ("content-", "proxy-", "webhook-")

# A name is a token of RFC 9110, section 5.6.2; in a value nothing can end the line.
_NAME = re.compile(rf"[!#$%&'*+.^_`|~0-9A-Za-z-]{{1,{HEADER_NAME_CHARACTERS_MAX}}}")
_VALUE = re.compile(rf"(?=[^ ])[\x20-\x7e]{{1,{HEADER_VALUE_CHARACTERS_MAX}}}(?<! )")


def fault_of_name(name: str) -> str | None:
    """Why a header may not be called so; None when it may."""
    if not _NAME.fullmatch(name):
        return f"a header's name is a token of at most {HEADER_NAME_CHARACTERS_MAX} characters"
    folded = name.lower()
    if folded in RESERVED or folded.startswith(RESERVED_PREFIXES):
        return "this header is ours to send"
    return None


def fault_of_value(value: str) -> str | None:
    """Why a header may not say so; None when it may. The value itself is never repeated."""
    if value.startswith(MASK):
        return "this is how a value is shown; give the value itself"
    if not _VALUE.fullmatch(value):
        most = HEADER_VALUE_CHARACTERS_MAX
        return f"a header's value is 1 to {most} printable ASCII characters, no space at its ends"
    return None


def names_twice(names: Iterable[str]) -> list[str]:
    """Names that stand there already in other letters: to HTTP they are the same."""
    twice, seen = [], set[str]()
    for name in names:
        if name.lower() in seen:
            twice.append(name)
        seen.add(name.lower())
    return twice


def masked(value: str) -> str:
    """A value as answers show it: enough to tell which one it is, if it is long."""
    return MASK + (value[-SHOWN_CHARACTERS:] if len(value) >= SHOWN_FROM_CHARACTERS else "")
