"""Waiting for history: bounded, one query for all who wait, and no failure of it is a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from api import waiting
from api.errors import Problem
from api.waiting import StatusWatcher, look_until
from streams.domain.errors import Unavailable
from streams.domain.ids import InvoiceId
from streams.domain.invoice import InvoiceStatus

OPEN, PAID = InvoiceStatus.OPEN, InvoiceStatus.PAID


class Statuses:
    """What a watcher asks of history."""

    def __init__(self) -> None:
        self.now: dict[InvoiceId, InvoiceStatus] = {}
        self.asked: list[Sequence[InvoiceId]] = []
        self.fails = 0

    async def statuses(self, invoice_ids: Sequence[InvoiceId]) -> dict[InvoiceId, InvoiceStatus]:
        self.asked.append(invoice_ids)
        if self.fails:
            self.fails -= 1
            raise Unavailable("down")
        return {each: self.now.get(each, OPEN) for each in invoice_ids}


def a_watcher(history: Any) -> StatusWatcher:
    return StatusWatcher(history, poll_seconds=0)


async def test_all_who_wait_share_one_query_and_each_wakes_for_its_own_invoice() -> None:
    history = Statuses()
    history.now = {InvoiceId("inv_a"): PAID}
    watcher = a_watcher(history)

    one, two = (
        asyncio.create_task(watcher.changed(InvoiceId(name), OPEN, seconds_max=30))
        for name in ("inv_a", "inv_b")
    )
    await one
    assert not two.done()
    history.now[InvoiceId("inv_b")] = PAID
    await two
    await watcher.close()

    assert history.asked[0] == ["inv_a", "inv_b"]


async def test_a_wait_ends_with_its_time() -> None:
    watcher = a_watcher(Statuses())

    await watcher.changed(InvoiceId("inv_a"), OPEN, seconds_max=0.01)
    await watcher.close()


async def test_a_failing_history_only_delays() -> None:
    history = Statuses()
    history.fails, history.now = 3, {InvoiceId("inv_a"): PAID}
    watcher = a_watcher(history)

    await watcher.changed(InvoiceId("inv_a"), OPEN, seconds_max=30)
    await watcher.close()

    assert len(history.asked) == 4


async def test_the_number_of_those_who_wait_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAITERS_MAX", 0)

    with pytest.raises(Problem) as refused:
        await a_watcher(Statuses()).changed(InvoiceId("inv_a"), OPEN, seconds_max=30)

    assert refused.value.status == 503


async def test_a_look_sees_what_comes_later_or_gives_up() -> None:
    seen = iter([None, "there"])

    async def look() -> str | None:
        return next(seen)

    async def nothing() -> str | None:
        return None

    assert await look_until(look, seconds_max=30) == "there"
    assert await look_until(nothing, seconds_max=0.01) is None
