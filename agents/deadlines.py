"""Ticks for invoices whose deadline comes, sent through the log like everything else."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from agents.step import record
from streams.clock import Clock
from streams.domain.ids import InvoiceId, MerchantId
from streams.messages import InvoiceDue
from streams.ports import Record
from streams.topics import INVOICES

LOOK_SECONDS_MAX = 1.0
"""How long a tick may be late, and how soon a clock that was set is noticed."""
TICKS_PER_APPEND_MAX = 500

Publish = Callable[[Sequence[Record]], Awaitable[object]]
IsOpen = Callable[[InvoiceId], bool]


class Deadlines:
    """Remembers deadlines in memory only: they are in the invoices table, and built from it.

    `is_open` says whether the deadline would still change the invoice, so that the many that
    were paid in time cost no tick.
    """

    def __init__(self, *, publish: Publish, is_open: IsOpen, clock: Clock) -> None:
        self._publish = publish
        self._is_open = is_open
        self._clock = clock
        self._heap: list[tuple[datetime, InvoiceId, MerchantId]] = []
        self._watched: set[InvoiceId] = set()

    def watch(self, invoice_id: InvoiceId, merchant_id: MerchantId, deadline: datetime) -> None:
        """Send a tick for this invoice when the deadline has come; asking again is free."""
        if invoice_id not in self._watched:
            self._watched.add(invoice_id)
            heapq.heappush(self._heap, (deadline, invoice_id, merchant_id))

    async def run(self) -> None:
        """Send ticks until cancelled; raises what the log raises."""
        while True:
            ticks = self.due()
            if ticks:
                await self._publish(ticks)
            else:
                await asyncio.sleep(LOOK_SECONDS_MAX)

    def due(self) -> Sequence[Record]:
        """Take the ticks whose time has come, at most `TICKS_PER_APPEND_MAX`."""
        now = self._clock()
        ticks: list[Record] = []
        while self._heap and self._heap[0][0] <= now and len(ticks) < TICKS_PER_APPEND_MAX:
            _, invoice_id, merchant_id = heapq.heappop(self._heap)
            self._watched.discard(invoice_id)
            if self._is_open(invoice_id):
                tick = InvoiceDue(merchant_id=merchant_id, invoice_id=invoice_id)
                ticks.append(record(INVOICES, invoice_id, tick))
        return ticks

    def __len__(self) -> int:
        return len(self._heap)
