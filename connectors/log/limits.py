"""How large one record may be: the same on every engine."""

from __future__ import annotations

from collections.abc import Iterable

from streams.domain.errors import OverLimit
from streams.ports import Record

RECORD_BYTES_MAX = 8 * 1024 * 1024
"""Key, value and headers. Kafka's own limit is one: an invoice that has as many payments as it
takes, with the longest names, stands in a row of 1.3."""


def must_fit(records: Iterable[Record]) -> None:
    """Raise `OverLimit` where one of them is more than the log takes."""
    for record in records:
        _must_be_taken(record.topic, bytes_of(record))


def row_must_fit(changelog: str, key: bytes | None, value: bytes | None) -> None:
    """Raise `OverLimit` where a table's row is more than the log takes."""
    _must_be_taken(changelog, len(key or b"") + len(value or b""))


def bytes_of(record: Record) -> int:
    """What a record counts for."""
    size = len(record.key) + len(record.value)
    for name, value in record.headers:
        size += len(name.encode()) + len(value)
    return size


def _must_be_taken(topic: str, size_bytes: int) -> None:
    if size_bytes > RECORD_BYTES_MAX:
        text = f"{size_bytes} bytes for {topic} as one record: the log takes {RECORD_BYTES_MAX}"
        raise OverLimit(text)
