"""Ticks: one for each invoice whose deadline has come and still means something."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from agents.deadlines import TICKS_PER_APPEND_MAX, Deadlines
from streams.domain.errors import Unavailable
from streams.domain.ids import InvoiceId
from streams.messages import InvoiceDue
from streams.ports import Record
from tests.builders import MERCHANT, NOW
from tests.step_builders import messages

SECOND = timedelta(seconds=1)


@dataclass
class Watcher:
    """Deadlines with a clock that is set by hand."""

    now: datetime = NOW
    closed: set[InvoiceId] = field(default_factory=set)
    published: list[Sequence[Record]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deadlines = Deadlines(
            publish=self._publish,
            is_open=lambda invoice: invoice not in self.closed,
            clock=lambda: self.now,
        )

    async def _publish(self, ticks: Sequence[Record]) -> None:
        self.published.append(ticks)
        if len(self.published) == 2:
            raise Unavailable

    def watch(self, name: str, deadline: datetime = NOW) -> None:
        self.deadlines.watch(InvoiceId(name), MERCHANT, deadline)

    def due(self) -> list[str]:
        return [tick.invoice_id for tick in ticks_of(self.deadlines.due())]


def ticks_of(records: Sequence[Record]) -> list[InvoiceDue]:
    return [message for message in messages(records) if isinstance(message, InvoiceDue)]


def test_a_tick_is_sent_to_the_invoice_when_its_deadline_has_come() -> None:
    watcher = Watcher()
    watcher.watch("inv", NOW + SECOND)
    assert watcher.due() == []

    watcher.now += SECOND
    (tick,) = watcher.deadlines.due()

    assert (tick.topic, tick.key) == ("invoices", b"inv")
    assert messages([tick]) == [InvoiceDue(merchant_id=MERCHANT, invoice_id=InvoiceId("inv"))]


def test_a_tick_is_sent_once_and_can_be_asked_for_again() -> None:
    watcher = Watcher()
    watcher.watch("inv")
    watcher.watch("inv")

    assert (watcher.due(), watcher.due()) == (["inv"], [])
    watcher.watch("inv")
    assert watcher.due() == ["inv"]


def test_an_invoice_that_was_paid_in_time_costs_no_tick() -> None:
    watcher = Watcher(closed={InvoiceId("paid")})
    watcher.watch("paid")
    watcher.watch("open")

    assert watcher.due() == ["open"]
    assert len(watcher.deadlines) == 0


def test_the_earliest_deadline_comes_first_and_the_others_stay() -> None:
    watcher = Watcher()
    for seconds in (2, 0, 1, 9):
        watcher.watch(f"inv-{seconds}", NOW + seconds * SECOND)
    watcher.now += 2 * SECOND

    assert watcher.due() == ["inv-0", "inv-1", "inv-2"]
    assert len(watcher.deadlines) == 1


def test_a_month_end_is_sent_in_batches() -> None:
    watcher = Watcher()
    for number in range(TICKS_PER_APPEND_MAX + 1):
        watcher.watch(f"inv-{number}")

    assert (len(watcher.due()), len(watcher.due())) == (TICKS_PER_APPEND_MAX, 1)


async def test_batches_are_published_until_the_log_fails() -> None:
    watcher = Watcher()
    for number in range(TICKS_PER_APPEND_MAX + 1):
        watcher.watch(f"inv-{number}")

    with pytest.raises(Unavailable):
        await watcher.deadlines.run()

    assert [len(ticks) for ticks in watcher.published] == [TICKS_PER_APPEND_MAX, 1]


async def test_without_a_tick_the_watcher_rests() -> None:
    watcher = Watcher()
    running = asyncio.create_task(watcher.deadlines.run())
    await asyncio.sleep(0)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert watcher.published == []
