"""What is in quarantine: listed, shown, and put back into the log by a person."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import datetime

from ops.terminal import visible
from streams.clock import Clock
from streams.domain.errors import Conflict, CorruptState, KeshikomiError
from streams.payloads import rfc3339
from streams.ports import Appender, History, QuarantineRow, Record

PAGE_ROWS = 250
RAW_BYTES_SHOWN_MAX = 4_096


class NotFound(KeshikomiError):
    """Nothing in quarantine has this id."""

    code = "not_found"


async def rows(history: History) -> AsyncIterator[QuarantineRow]:
    """Everything in quarantine, oldest first."""
    after: str | None = None
    while True:
        page, after = await history.quarantined(after=after, limit=PAGE_ROWS)
        for row in page:
            yield row
        if after is None or not page:
            return


async def find(history: History, quarantine_id: str) -> QuarantineRow:
    """One row, or `NotFound`."""
    row = await history.quarantine_row(quarantine_id)
    if row is None:
        raise NotFound(f"nothing in quarantine has the id {quarantine_id}")
    return row


async def retry(
    history: History, log: Appender, quarantine_id: str, *, clock: Clock
) -> QuarantineRow:
    """Put a record back where it was read from; a second retry is the operator's to decide."""
    row = await find(history, quarantine_id)
    kept = row.quarantined
    if not kept.topic:
        raise Conflict(
            f"{quarantine_id} was refused at the edge and never was a record of the log; "
            "once its format is understood, have the channel send it again"
        )
    if kept.whole_bytes is not None:
        raise Conflict(
            f"{quarantine_id} has only the beginning of a record of {kept.whole_bytes} bytes; "
            "whoever sent it must send less at once"
        )
    record = Record(topic=kept.topic, key=_bytes_of(kept.key), value=_bytes_of(kept.raw_base64))
    # The log first: a crash before the mark shows a row that can be retried once more, and the
    # steps recognise the repeat; the other order could lose it.
    await log.append([record])
    await history.mark_retried(quarantine_id, clock())
    return row


def _bytes_of(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise CorruptState("a quarantined record is not base64") from error


def as_json(row: QuarantineRow) -> dict[str, object]:
    """A row for programs; the raw bytes are base64."""
    shown: dict[str, object] = asdict(row.quarantined)
    del shown["type"]
    shown["retried_at"] = row.retried_at
    return shown


def line(row: QuarantineRow) -> str:
    """A row of the list for people."""
    kept = row.quarantined
    place = f"topic {kept.topic}" if kept.topic else "the edge"
    retried = f", put back {rfc3339(row.retried_at)}" if row.retried_at else ""
    return (
        f"{kept.quarantine_id}  {rfc3339(kept.at)}  {kept.code} at {place}: "
        f"{visible(kept.reason)}{retried}"
    )


def page(row: QuarantineRow) -> str:
    """Everything about a row for people, ending in its bytes."""
    raw = _bytes_of(row.quarantined.raw_base64)
    text = visible(raw[:RAW_BYTES_SHOWN_MAX].decode("utf-8", "backslashreplace"))
    facts = [
        f"{name}: {_shown(value)}"
        for name, value in as_json(row).items()
        if name not in {"raw_base64", "key"} and value not in {None, ""}
    ]
    more = len(raw) - RAW_BYTES_SHOWN_MAX
    cut = f"\n... and {more} bytes more; --json has all of them" if more > 0 else ""
    return "\n".join([*facts, f"raw ({len(raw)} bytes):", text + cut])


def _shown(value: object) -> str:
    return rfc3339(value) if isinstance(value, datetime) else visible(str(value))


def summary(kept: Sequence[QuarantineRow]) -> str:
    """How many of them wait for a person, and how many were put back."""
    waiting = sum(row.retried_at is None for row in kept)
    put_back = len(kept) - waiting
    return f"{waiting} in quarantine" + (f", {put_back} put back" if put_back else "")
