"""Ticks for invoices whose deadline comes, sent through the log like everything else."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from agents.step import record
from streams.clock import Clock
from streams.domain.ids import InvoiceId, MerchantId
from streams.messages import InvoiceDue
from streams.ports import Record
from streams.topics import INVOICES

LOOK_SECONDS_MAX = 1.0
"""How long a tick may be late, and how soon a clock that was set is noticed."""
TICKS_PER_APPEND_MAX = 500
HORIZON = timedelta(hours=2)
"""Later deadlines are not remembered: the table has them."""
LOOK_AHEAD_AGAIN = timedelta(hours=1)
"""So long before the first deadline that is not remembered the table is gone through again."""

Publish = Callable[[Sequence[Record]], Awaitable[object]]
IsOpen = Callable[[InvoiceId], bool]


class Stretch(NamedTuple):
    """A stretch of time whose deadlines are to be looked for; the end belongs to it."""

    after: datetime | None
    until: datetime

    def __contains__(self, moment: object) -> bool:
        assert isinstance(moment, datetime)
        return moment <= self.until and (self.after is None or moment > self.after)


class Deadlines:
    """Remembers the deadlines of the next hours: all of them are in the invoices table.

    Up to one moment, `until`, all that is asked for is remembered. That moment is moved on long
    before it comes, and the table is then gone through for what lies between the two (`stretch`),
    so that every deadline is seen by one or the other whenever its invoice is registered. Only the
    clock decides, so it may be set and the machine may sleep.

    `is_open` says whether the deadline would still change the invoice, so that the many that
    were paid in time cost no tick.
    """

    def __init__(self, *, publish: Publish, is_open: IsOpen, clock: Clock) -> None:
        self._publish = publish
        self._is_open = is_open
        self._clock = clock
        self._heap: list[tuple[datetime, InvoiceId, MerchantId]] = []
        self._watched: set[InvoiceId] = set()
        self._until = clock() + HORIZON
        self._looked = False

    def stretch(self) -> Stretch | None:
        """What the table must now be gone through for; from now on all of it is remembered."""
        now = self._clock()
        if self._looked and now < self._until - LOOK_AHEAD_AGAIN:
            return None
        after = self._until if self._looked else None
        self._looked = True
        self._until = max(self._until, now + HORIZON)
        return Stretch(after, self._until)

    def watch(self, invoice_id: InvoiceId, merchant_id: MerchantId, deadline: datetime) -> None:
        """Send a tick for this invoice when the deadline has come; asking again is free."""
        if deadline <= self._until and invoice_id not in self._watched:
            self._watched.add(invoice_id)
            heapq.heappush(self._heap, (deadline, invoice_id, merchant_id))

    def keep(self, is_ours: Callable[[InvoiceId], bool]) -> None:
        """Forget the invoices that other workers watch from now on."""
        self._heap = [item for item in self._heap if is_ours(item[1])]
        heapq.heapify(self._heap)
        self._watched = {invoice_id for _, invoice_id, _ in self._heap}

    def look_again(self) -> None:
        """Have the whole table gone through again: other invoices may be in it now."""
        self._looked = False

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
                tick = InvoiceDue(merchant_id=merchant_id, invoice_id=invoice_id, at=now)
                ticks.append(record(INVOICES, invoice_id, tick))
        return ticks

    def __len__(self) -> int:
        return len(self._heap)
