"""What a worker holds in memory beside its tables, found again by going through them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from agents.deadlines import LOOK_SECONDS_MAX, Deadlines, Stretch
from agents.lanes import Lanes
from connectors.log.places import partition_of
from streams.codecs import decode_due, decode_endpoints, decode_invoice
from streams.domain.invoice import Fold, Invoice
from streams.domain.settlement import awaits_deadline

TURN_SECONDS = 0.005
"""A piece of the table takes a millisecond or two, and looking ahead is in no hurry."""


class Rows(Protocol):
    """A table of which encoded values are handed out in pieces."""

    def pieces(self) -> Iterable[list[bytes]]: ...


class Share:
    """Which partitions of each topic are this worker's now."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._ours: frozenset[tuple[str, int]] = frozenset()

    def become(self, assigned: Iterable[tuple[str, int]]) -> None:
        """These are, and no others."""
        self._ours = frozenset(assigned)

    def has(self, topic: str, key: str) -> bool:
        """Whether the records of this key come to this worker."""
        return (topic, partition_of(key.encode(), self._partitions)) in self._ours


def awaits(invoice: Invoice | None) -> bool:
    """Whether the deadline would still change the invoice."""
    return invoice is not None and awaits_deadline(Fold(invoice.terms, invoice.journal))


async def look_ahead(invoices: Rows, deadlines: Deadlines) -> None:
    """Find the deadlines of the next hours in the table, again and again until cancelled."""
    while True:
        stretch = deadlines.stretch()
        if stretch is not None:
            await watch_stretch(invoices, deadlines, stretch)
        await asyncio.sleep(LOOK_SECONDS_MAX)


async def watch_stretch(invoices: Rows, deadlines: Deadlines, stretch: Stretch) -> None:
    """Watch every open invoice whose deadline is in this stretch of time."""
    for piece in invoices.pieces():
        for row in piece:
            terms = decode_due(row).terms
            if terms.deadline in stretch and awaits(decode_invoice(row)):
                deadlines.watch(terms.invoice_id, terms.merchant_id, terms.deadline)
        await asyncio.sleep(TURN_SECONDS)


async def set_endpoints(endpoints: Rows, lanes: Lanes) -> None:
    """Give the lanes every endpoint; what is pending they find in the table by themselves."""
    for piece in endpoints.pieces():
        for row in piece:
            for endpoint in decode_endpoints(row):
                lanes.set_endpoint(endpoint)
        await asyncio.sleep(0)
