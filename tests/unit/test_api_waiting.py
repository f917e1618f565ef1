"""Waiting for history: bounded, one query for all who wait, and no failure of it is a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import pytest

from api import waiting
from api.errors import Problem
from api.waiting import Lookout, StatusWatcher
from streams.domain.errors import Unavailable
from streams.domain.ids import InvoiceId
from streams.domain.invoice import InvoiceStatus
from streams.hints import Heard

OPEN, PAID = InvoiceStatus.OPEN, InvoiceStatus.PAID
NEVER_SECONDS = 3_600.0


class Statuses:
    """What a watcher asks of history."""

    def __init__(self) -> None:
        self.now: dict[InvoiceId, InvoiceStatus] = {}
        self.asked: list[Sequence[InvoiceId]] = []
        self.answered = asyncio.Event()
        self.fails = 0

    async def statuses(self, invoice_ids: Sequence[InvoiceId]) -> dict[InvoiceId, InvoiceStatus]:
        self.asked.append(invoice_ids)
        self.answered.set()
        if self.fails:
            self.fails -= 1
            raise Unavailable("down")
        return {each: self.now.get(each, OPEN) for each in invoice_ids}


class Feed:
    """A live feed that says nothing by itself."""

    def __init__(self, *, is_live: bool) -> None:
        self.is_live = is_live

    def publish(self, subjects: Collection[str]) -> None: ...
    def listen(self, heard: Heard) -> None: ...
    async def close(self) -> None: ...


DEAD, LIVE = Feed(is_live=False), Feed(is_live=True)


def a_watcher(history: Any, feed: Feed = DEAD) -> StatusWatcher:
    """Without a live feed it looks all the time; with one, never by itself."""
    return StatusWatcher(history, feed, poll_seconds=0, live_poll_seconds=NEVER_SECONDS)


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


async def test_a_live_feed_has_only_the_invoices_looked_at_that_it_tells() -> None:
    history = Statuses()
    watcher = a_watcher(history, LIVE)
    one, two = (
        asyncio.create_task(watcher.changed(InvoiceId(name), OPEN, seconds_max=30))
        for name in ("inv_a", "inv_b")
    )
    await history.answered.wait()
    history.now = {InvoiceId("inv_a"): PAID, InvoiceId("inv_b"): PAID}

    watcher.heard(frozenset({"inv_a", "inv_z"}))
    await one
    assert not two.done()
    watcher.heard(None)
    await two
    await watcher.close()

    assert history.asked == [["inv_a", "inv_b"], ["inv_a"], ["inv_b"]]


async def test_what_changed_before_anybody_listened_is_seen_at_once() -> None:
    history = Statuses()
    watcher = a_watcher(history, LIVE)
    other = asyncio.create_task(watcher.changed(InvoiceId("inv_b"), OPEN, seconds_max=30))
    await history.answered.wait()
    history.now = {InvoiceId("inv_a"): PAID}

    await watcher.changed(InvoiceId("inv_a"), OPEN, seconds_max=30)

    assert not other.done()
    other.cancel()
    await watcher.close()


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

    async def nothing() -> None:
        return None

    for wait in (
        a_watcher(Statuses()).changed(InvoiceId("inv_a"), OPEN, seconds_max=30),
        Lookout(DEAD).until("a", nothing, seconds_max=30),
    ):
        with pytest.raises(Problem) as refused:
            await wait
        assert refused.value.status == 503


@pytest.mark.parametrize("feed", [DEAD, LIVE])
async def test_a_look_sees_what_comes_later_or_gives_up(feed: Feed) -> None:
    seen = iter([None, "there"])

    async def look() -> str | None:
        return next(seen)

    async def nothing() -> str | None:
        return None

    # No signal is heard, so with a live feed it takes until the look that is for lost ones.
    assert await Lookout(feed).until("a", look, seconds_max=30) == "there"
    assert await Lookout(feed).until("a", nothing, seconds_max=0.01) is None


async def test_a_signal_has_its_own_waiters_look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LIVE_POLL_SECONDS", NEVER_SECONDS)
    lookout = Lookout(LIVE)
    looked: dict[str, int] = {"a": 0, "b": 0}
    begun = asyncio.Event()

    def look(subject: str) -> Any:
        async def looking() -> bool | None:
            looked[subject] += 1
            if all(looked.values()):
                begun.set()
            return True if looked[subject] > 1 else None

        return looking

    one, other = (
        asyncio.create_task(lookout.until(each, look(each), seconds_max=30)) for each in "ab"
    )
    await begun.wait()
    lookout.heard(frozenset({"a"}))
    assert await one
    assert looked["b"] == 1
    lookout.heard(None)
    assert await other


async def test_whoever_waits_is_answered_when_the_process_ends() -> None:
    history = Statuses()
    watcher, lookout = a_watcher(history, LIVE), Lookout(LIVE)
    looks: list[int] = []

    async def look() -> None:
        looks.append(1)

    async def wait_for_a_change() -> None:
        await watcher.changed(InvoiceId("inv_1"), OPEN, seconds_max=NEVER_SECONDS)

    waiting_for = asyncio.create_task(wait_for_a_change())
    looking = asyncio.create_task(lookout.until("inv_1", look, seconds_max=NEVER_SECONDS))
    await history.answered.wait()

    watcher.end()
    lookout.end()

    async with asyncio.timeout(5):
        await asyncio.gather(waiting_for, looking)
        await wait_for_a_change()
    assert len(looks) == 2
    await watcher.close()
