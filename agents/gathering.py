"""Appends what comes within a moment together: one transaction of the log instead of many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from streams.ports import Record

GATHER_SECONDS = 0.01
"""The outcome of an attempt is in no hurry: the merchant has been told already."""

Append = Callable[[Sequence[Record]], Awaitable[object]]


class Gathering:
    """Collects records for a moment; each caller waits until its own is durable."""

    def __init__(self, append: Append, *, seconds: float = GATHER_SECONDS) -> None:
        self._append = append
        self._seconds = seconds
        self._records: list[Record] = []
        self._sending: asyncio.Task[None] | None = None

    async def append(self, record: Record) -> None:
        """Return when the record is durable; raises what the log raises, to all who wait."""
        self._records.append(record)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        # One caller that gives up must not take the others' records with it.
        await asyncio.shield(self._sending)

    async def _send(self) -> None:
        await asyncio.sleep(self._seconds)
        records, self._records, self._sending = self._records, [], None
        await self._append(records)
