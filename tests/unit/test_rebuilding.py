"""What a worker finds again in its tables: the deadlines ahead, and pending deliveries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from agents.deadlines import HORIZON, LOOK_AHEAD_AGAIN, Deadlines
from ops.rebuilding import awaits, set_endpoints, watch_stretch
from streams.codecs import encode
from streams.domain.ids import EndpointId, InvoiceId
from streams.domain.invoice import Invoice
from tests.builders import NOW, a_notice_applied, an_endpoint, an_invoice
from tests.builders import an_invoice_terms as terms
from tests.fakes import FakeLanes
from tests.step_builders import a_cancelled

MOMENT = timedelta(microseconds=1)


@dataclass
class Table:
    """Rows in pieces of two, and what happens before each piece is read."""

    rows: dict[bytes, object] = field(default_factory=dict)
    before_piece: Callable[[int], None] = lambda _number: None

    def pieces(self) -> Iterator[list[bytes]]:
        keys = sorted(self.rows)
        for number, first in enumerate(range(0, len(keys), 2)):
            self.before_piece(number)
            yield [encode(self.rows[k]) for k in keys[first : first + 2] if k in self.rows]


class Watching:
    """Deadlines over a table of invoices, with a clock that is set by hand."""

    def __init__(self, *invoices: Invoice) -> None:
        self.now = NOW
        self.table = Table({invoice.terms.invoice_id.encode(): invoice for invoice in invoices})
        self.deadlines = Deadlines(publish=_nowhere, is_open=self._is_open, clock=lambda: self.now)

    def _is_open(self, invoice_id: InvoiceId) -> bool:
        invoice = self.table.rows.get(invoice_id.encode())
        return isinstance(invoice, Invoice) and awaits(invoice)

    def register(self, invoice: Invoice) -> None:
        """What the settling step does."""
        self.table.rows[invoice.terms.invoice_id.encode()] = invoice
        told = invoice.terms
        self.deadlines.watch(told.invoice_id, told.merchant_id, told.deadline)

    async def look_ahead(self) -> bool:
        stretch = self.deadlines.stretch()
        if stretch is not None:
            await watch_stretch(self.table, self.deadlines, stretch)
        return stretch is not None

    def ticks(self) -> int:
        return len(self.deadlines.due())


async def _nowhere(_records: object) -> None:
    raise AssertionError("nothing is sent here")


def an_open(name: str, deadline_in: timedelta) -> Invoice:
    return an_invoice(
        terms=terms(
            invoice_number=name,
            created_at=NOW - timedelta(days=30),
            due_at=NOW + deadline_in,
            grace_seconds=0,
        )
    )


async def test_only_open_invoices_within_the_horizon_are_remembered() -> None:
    paid = an_open("paid", MOMENT)
    watching = Watching(
        an_open("overdue", -timedelta(days=9)),
        an_open("soon", HORIZON),
        an_open("later", HORIZON + MOMENT),
        an_invoice(terms=paid.terms, journal=(a_notice_applied(),)),
        an_invoice(terms=an_open("off", MOMENT).terms, journal=(a_cancelled(),)),
    )
    assert await watching.look_ahead()

    assert (len(watching.deadlines), watching.ticks()) == (2, 1)
    assert not await watching.look_ahead()


async def test_each_deadline_has_its_tick_in_time_and_once_whenever_it_is_registered() -> None:
    hour = timedelta(hours=1)
    ahead = [n * hour / 4 + shift for n in range(1, 40) for shift in (-MOMENT, MOMENT * 0, MOMENT)]
    watching = Watching(*(an_open(f"first-{delta}", delta) for delta in ahead))
    ticks = 0
    while watching.now <= NOW + 11 * hour:
        if watching.now == NOW + hour * 3 / 2:
            for delta in ahead:
                watching.register(an_open(f"second-{delta}", delta + hour * 2))
        await watching.look_ahead()
        ticks += watching.ticks()
        came = sum(
            isinstance(row, Invoice) and row.terms.deadline <= watching.now
            for row in watching.table.rows.values()
        )
        assert ticks == came
        watching.now += hour / 8


async def test_an_invoice_registered_behind_the_place_that_is_read_is_not_missed() -> None:
    new = [an_open(f"new-{n}", HORIZON + n * MOMENT) for n in range(8)]
    watching = Watching(*(an_open(f"old-{n}", timedelta(days=1)) for n in range(6)))
    await watching.look_ahead()
    watching.now += LOOK_AHEAD_AGAIN

    def meanwhile(number: int) -> None:
        if number == 2:
            for invoice in new:
                watching.register(invoice)

    watching.table.before_piece = meanwhile
    assert await watching.look_ahead()
    watching.now += HORIZON

    assert watching.ticks() == len(new)


async def test_the_lanes_are_told_of_every_endpoint() -> None:
    lanes = FakeLanes()
    endpoints = [an_endpoint(endpoint=EndpointId(f"ep_{number}")) for number in range(5)]
    rows: dict[bytes, object] = {b"%d" % n: (one,) for n, one in enumerate(endpoints)}

    await set_endpoints(Table(rows), lanes)

    assert list(lanes.endpoints.values()) == endpoints
