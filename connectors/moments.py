"""Times as strangers write them: RFC 3339 with an offset, and nothing that only looks like it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def read_rfc3339(value: object) -> datetime:
    """The time in UTC; raises `ValueError` for anything else."""
    # pydantic alone would also read a number, and digits in a string, as seconds since 1970.
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        raise ValueError("must be a time with offset as RFC 3339 writes it")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError("is not a time that can be expressed in UTC") from None
