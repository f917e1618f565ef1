"""Ticks: one for each invoice whose deadline has come and still means something."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from agents.deadlines import (
    HORIZON,
    LOOK_AHEAD_AGAIN,
    TICKS_PER_APPEND_MAX,
    Deadlines,
    Stretch,
)
from streams.domain.errors import Unavailable
from streams.domain.ids import InvoiceId
from streams.messages import InvoiceDue
from streams.ports import Record
from tests.builders import MERCHANT, NOW
from tests.step_builders import messages

SECOND = timedelta(seconds=1)
MOMENT = timedelta(microseconds=1)


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
    due = InvoiceDue(merchant_id=MERCHANT, invoice_id=InvoiceId("inv"), at=watcher.now)
    assert messages([tick]) == [due]


def test_a_tick_is_sent_once_and_can_be_asked_for_again() -> None:
    watcher = Watcher()
    watcher.watch("inv")
    watcher.watch("inv")

    assert (watcher.due(), watcher.due()) == (["inv"], [])
    watcher.watch("inv")
    assert watcher.due() == ["inv"]


def test_invoices_that_went_to_another_worker_have_no_tick_and_may_come_back() -> None:
    watcher = Watcher()
    for name in ("theirs", "ours", "lost"):
        watcher.watch(name)

    watcher.deadlines.keep(lambda invoice_id: invoice_id == "ours")
    watcher.watch("lost")

    assert len(watcher.deadlines) == 2
    assert sorted(watcher.due()) == ["lost", "ours"]


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


def test_what_lies_beyond_the_horizon_is_left_to_the_table() -> None:
    watcher = Watcher()
    watcher.watch("inside", NOW + HORIZON)
    watcher.watch("beyond", NOW + HORIZON + MOMENT)

    assert len(watcher.deadlines) == 1


def test_the_table_is_gone_through_at_once_and_then_long_before_it_must() -> None:
    watcher = Watcher()
    first = watcher.deadlines.stretch()
    assert first == Stretch(None, NOW + HORIZON)
    assert watcher.deadlines.stretch() is None

    watcher.now = NOW + HORIZON - LOOK_AHEAD_AGAIN - MOMENT
    assert watcher.deadlines.stretch() is None
    watcher.now += MOMENT
    second = watcher.deadlines.stretch()
    assert second == Stretch(NOW + HORIZON, watcher.now + HORIZON)


def test_when_invoices_come_from_another_worker_all_of_the_table_is_gone_through_again() -> None:
    watcher = Watcher()
    watcher.deadlines.stretch()

    watcher.deadlines.look_again()

    assert watcher.deadlines.stretch() == Stretch(None, NOW + HORIZON)
    assert watcher.deadlines.stretch() is None


@pytest.mark.parametrize("offset", [-MOMENT, timedelta(0), MOMENT])
def test_no_deadline_falls_between_two_stretches(offset: timedelta) -> None:
    watcher = Watcher()
    first = watcher.deadlines.stretch()
    watcher.now = NOW + LOOK_AHEAD_AGAIN
    second = watcher.deadlines.stretch()
    assert first is not None
    assert second is not None

    deadline = NOW + HORIZON + offset
    assert (deadline in first) + (deadline in second) == 1


def test_a_clock_that_is_set_forward_has_the_table_gone_through_at_once() -> None:
    watcher = Watcher()
    watcher.deadlines.stretch()
    watcher.now += timedelta(days=3)

    assert watcher.deadlines.stretch() == Stretch(NOW + HORIZON, watcher.now + HORIZON)


def test_a_clock_that_is_set_back_makes_nothing_forgotten() -> None:
    watcher = Watcher()
    watcher.deadlines.stretch()
    watcher.now -= timedelta(days=3)
    assert watcher.deadlines.stretch() is None

    watcher.watch("inv", NOW + HORIZON)
    assert (len(watcher.deadlines), watcher.due()) == (1, [])


def test_a_stretch_ends_at_its_end_and_begins_after_the_last_one() -> None:
    stretch = Stretch(NOW, NOW + SECOND)
    moments = (NOW, NOW + MOMENT, NOW + SECOND, NOW + SECOND + MOMENT)
    assert [moment in stretch for moment in moments] == [False, True, True, False]
    assert NOW - timedelta(days=999) in Stretch(None, NOW)
