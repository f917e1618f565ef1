"""Waiting for history: woken by the live feed, and by looking anyway, more often without it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from api.errors import come_back
from streams.domain.errors import Unavailable
from streams.domain.ids import InvoiceId
from streams.domain.invoice import InvoiceStatus
from streams.hints import Signals
from streams.ports import History

POLL_SECONDS = 0.1
"""Without a live feed everything that is waited for is looked at so often."""
LIVE_POLL_SECONDS = 2.0
"""With one this is only for signals that were lost."""
WAITERS_MAX = 2_000
LOOK_SECONDS_MIN = 0.02
"""Signals that come closer together than this share a look."""
LOOK_SECONDS_MAX = 1.0
"""Who has looked in vain again and again looks no more often than this."""

T = TypeVar("T")


class StatusWatcher:
    """Wakes whoever waits for an invoice to change; one query serves all of them."""

    def __init__(
        self,
        history: History,
        signals: Signals,
        *,
        poll_seconds: float = POLL_SECONDS,
        live_poll_seconds: float = LIVE_POLL_SECONDS,
    ) -> None:
        self._history, self._signals = history, signals
        self._poll_seconds, self._live_poll_seconds = poll_seconds, live_poll_seconds
        self._waiting: dict[asyncio.Future[None], tuple[InvoiceId, InvoiceStatus]] = {}
        self._told: set[InvoiceId] = set()
        self._rung = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._is_ending = False

    def end(self) -> None:
        """Have everybody answered with how things stand: a process that ends keeps nobody."""
        self._is_ending = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def heard(self, subjects: frozenset[str] | None) -> None:
        """Look at those of these that somebody waits for; None is all of them."""
        told = {each for each, _ in self._waiting.values() if subjects is None or each in subjects}
        if told:
            self._told |= told
            self._rung.set()

    async def changed(
        self, invoice_id: InvoiceId, was: InvoiceStatus, *, seconds_max: float
    ) -> None:
        """Return when the status is no longer `was`, or after the time."""
        if self._is_ending:
            return
        if len(self._waiting) >= WAITERS_MAX:
            raise come_back(503, "too many callers wait already")
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = (invoice_id, was)
        # It may have changed before anybody listened for it.
        self.heard(frozenset([invoice_id]))
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look(), name="status watcher")
        try:
            async with asyncio.timeout(seconds_max):
                await future
        except TimeoutError:
            return
        finally:
            del self._waiting[future]

    async def _look(self) -> None:
        while self._waiting:
            told, self._told = self._told, set()
            self._rung.clear()
            with suppress(Unavailable):  # the waiters see it for themselves when they read
                statuses = await self._history.statuses(sorted(told))
                for future, (invoice_id, was) in self._waiting.items():
                    if statuses.get(invoice_id, was) is not was and not future.done():
                        future.set_result(None)
            await asyncio.sleep(min(LOOK_SECONDS_MIN, self._poll_seconds))
            seconds = self._live_poll_seconds if self._signals.is_live else self._poll_seconds
            if not await _is_set(self._rung, seconds):
                self._told = {invoice_id for invoice_id, _ in self._waiting.values()}

    async def close(self) -> None:
        """Stop looking; whoever still waits is answered when their time is over."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch


class Lookout:
    """Lets callers look again whenever there is news of what they wait for."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._waiting: dict[asyncio.Event, str] = {}
        self._is_ending = False

    def end(self) -> None:
        """Have everybody look once more, and no more after that."""
        self._is_ending = True
        self.heard(None)

    @property
    def waits(self) -> int:
        """How many callers wait now."""
        return len(self._waiting)

    def heard(self, subjects: frozenset[str] | None) -> None:
        """Wake those who wait for one of these; None is all of them."""
        for rung, subject in self._waiting.items():
            if subjects is None or subject in subjects:
                rung.set()

    async def until(
        self, subject: str, look: Callable[[], Awaitable[T | None]], *, seconds_max: float
    ) -> T | None:
        """What there is to see, as soon as there is something; None after the time.

        A look that raises ends it. Looks are ever further apart, so that a live feed that tells
        no more than that anything may be new does not make everybody look all the time.
        """
        apart = LOOK_SECONDS_MIN
        with self._listening(subject) as rung, suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                while (seen := await look()) is None and not self._is_ending:
                    await asyncio.sleep(apart)
                    live = self._signals.is_live
                    await _is_set(rung, LIVE_POLL_SECONDS if live else POLL_SECONDS)
                    rung.clear()
                    apart = min(apart * 2, LOOK_SECONDS_MAX)
                return seen
        return None

    @contextmanager
    def _listening(self, subject: str) -> Iterator[asyncio.Event]:
        if len(self._waiting) >= WAITERS_MAX:
            raise come_back(503, "too many callers wait already")
        rung = asyncio.Event()
        self._waiting[rung] = subject
        try:
            yield rung
        finally:
            del self._waiting[rung]


async def _is_set(rung: asyncio.Event, seconds: float) -> bool:
    """Whether it is set within so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await rung.wait()
    return rung.is_set()
