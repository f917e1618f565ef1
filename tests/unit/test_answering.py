"""What a receiver's answer says: only a time by the letter acknowledges."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.answering import read_released_at


@pytest.mark.parametrize(
    "answer",
    [
        b'{"released_at": "2026-11-24T10:15:00+09:00"}',
        b' {"order": {"id": 1}, "released_at": "2026-11-24t01:15:00.000Z"}\n',
    ],
)
def test_a_time_with_its_offset_acknowledges(answer: bytes) -> None:
    assert read_released_at(answer) == datetime(2026, 11, 24, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"OK",
        b"{}",
        b'"released_at"',
        b'["released_at"]',
        b'{"order": {"released_at": "2026-11-24T10:15:00+09:00"}}',
        b'{"released_at": "2026-11-24T10:15:00+09:00"',
        b'{"released_at": "2026-11-24T10:15:00"}',
        b'{"released_at": "2026-11-24"}',
        b'{"released_at": "2026-02-30T10:15:00+09:00"}',
        b'{"released_at": "0001-01-01T00:00:00+09:00"}',
        b'{"released_at": "1700000000"}',
        b'{"released_at": 1700000000}',
        b'{"released_at": true}',
        b'{"released_at": null}',
        b'{"released_at": "2026-11-24T10:15:00Z", "released_at": "2026-11-24T10:15:00Z"}',
        b'{"released_at": "2026-11-24T10:15:00Z", "name": "\xff"}',
        b'{"released_at": "2026-11-24T10:15:00Z", "deep": ' + b"[" * 99 + b"]" * 99 + b"}",
    ],
)
def test_anything_else_acknowledges_nothing(answer: bytes) -> None:
    assert read_released_at(answer) is None
