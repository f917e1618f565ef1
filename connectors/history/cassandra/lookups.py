"""Single questions with a short answer: what became of a command, how far the log is archived."""

from __future__ import annotations

from datetime import datetime

from connectors.history.cassandra.session import Request, Session
from connectors.history.rows import Row
from connectors.history.sql import moment_of

_COMMAND = "SELECT refused FROM commands WHERE request_id = ?"
_ARCHIVED = "SELECT next_offset, recorded_us FROM archived WHERE topic = ? AND partition = ?"
_ARCHIVE = (
    "INSERT INTO archived (topic, partition, next_offset, recorded_us) VALUES (?, ?, ?, ?)"
    " USING TIMESTAMP ?"
)


async def command(session: Session, request_id: str) -> str | None:
    """Why a command was refused, or nothing when it took effect."""
    row = await session.one(_COMMAND, request_id)
    return row[0] if row is not None else None


async def archived_to(session: Session, topic: str, partition: int) -> tuple[int, datetime | None]:
    """How far a partition was stored."""
    row = await session.one(_ARCHIVED, topic, partition)
    return (row[0], moment_of(row[1])) if row is not None else (0, None)


def archived_write(row: Row) -> Request:
    """The write for how far a partition was stored; the furthest holds, whoever comes last."""
    return _ARCHIVE, (*row, row[2])
