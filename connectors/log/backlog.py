"""What waits to be written: counted, limited, and waited for."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from connectors.log.settling import call_soon

BACKLOG_RECORDS_MAX = 20_000
BACKLOG_BYTES_MAX = 64 * 1024 * 1024


class Backlog:
    """Records and bytes queued for the writer, or being written now."""

    def __init__(
        self, *, records_max: int = BACKLOG_RECORDS_MAX, bytes_max: int = BACKLOG_BYTES_MAX
    ) -> None:
        self._records_max, self._bytes_max = records_max, bytes_max
        self._records = self._bytes = 0
        self._lock = threading.Lock()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    def __str__(self) -> str:
        return (
            f"{self._records} of {self._records_max} records, "
            f"{self._bytes} of {self._bytes_max} bytes"
        )

    @property
    def records(self) -> int:
        """How many records wait."""
        return self._records

    def has_room(self, records: int = 1, size_bytes: int = 0) -> bool:
        """Whether so much more fits; an empty backlog takes anything."""
        return not self._records or (
            self._records + records <= self._records_max
            and self._bytes + size_bytes <= self._bytes_max
        )

    def add(self, records: int, size_bytes: int) -> None:
        """Count what was queued; whether it fits is for the caller to ask first."""
        with self._lock:
            self._records += records
            self._bytes += size_bytes

    def take(self, records: int, size_bytes: int) -> None:
        """Count what was written or refused, and wake everyone who waits for room."""
        with self._lock:
            self._records -= records
            self._bytes -= size_bytes
            woken, self._waiting = self._waiting, deque()
        for loop, future in woken:
            call_soon(loop, _wake, future)

    async def room(self) -> None:
        """Wait until the writer has taken something."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if not self._records:
                return
            self._waiting.append((loop, future))
        await future


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
