"""Waiting for history: one poller for all invoices, bounded waits for commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from api.errors import come_back
from streams.domain.errors import Unavailable
from streams.domain.ids import InvoiceId
from streams.domain.invoice import InvoiceStatus
from streams.ports import History

POLL_SECONDS = 0.1
WAITERS_MAX = 2_000
LOOK_SECONDS = 0.02

T = TypeVar("T")


class StatusWatcher:
    """Wakes whoever waits for an invoice to change; one query serves all of them."""

    def __init__(self, history: History, poll_seconds: float = POLL_SECONDS) -> None:
        self._history, self._poll_seconds = history, poll_seconds
        self._waiting: dict[asyncio.Future[None], tuple[InvoiceId, InvoiceStatus]] = {}
        self._poller: asyncio.Task[None] | None = None

    async def changed(
        self, invoice_id: InvoiceId, was: InvoiceStatus, *, seconds_max: float
    ) -> None:
        """Return when the status is no longer `was`, or after the time."""
        if len(self._waiting) >= WAITERS_MAX:
            raise come_back(503, "too many callers wait already")
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = (invoice_id, was)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), name="status watcher")
        try:
            async with asyncio.timeout(seconds_max):
                await future
        except TimeoutError:
            return
        finally:
            del self._waiting[future]

    async def _poll(self) -> None:
        while self._waiting:
            wanted = {invoice_id for invoice_id, _ in self._waiting.values()}
            with suppress(Unavailable):  # the waiters see it for themselves when they read
                statuses = await self._history.statuses(sorted(wanted))
                for future, (invoice_id, was) in self._waiting.items():
                    if statuses.get(invoice_id, was) is not was and not future.done():
                        future.set_result(None)
            await asyncio.sleep(self._poll_seconds)

    async def close(self) -> None:
        """Stop polling; whoever still waits is answered when their time is over."""
        if self._poller is not None:
            self._poller.cancel()
            with suppress(asyncio.CancelledError):
                await self._poller


async def look_until(look: Callable[[], Awaitable[T | None]], *, seconds_max: float) -> T | None:
    """Look again and again until there is something to see; None after the time."""
    try:
        async with asyncio.timeout(seconds_max):
            while (seen := await look()) is None:  # noqa: ASYNC110  # another process decides
                await asyncio.sleep(LOOK_SECONDS)
            return seen
    except TimeoutError:
        return None
