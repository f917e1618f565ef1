"""What deliveries wait in until their time has come."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from functools import partial
from typing import Protocol

from agents.lane import Entry, Queue, State

TIMER_SECONDS_MIN = 0.001

_order = itertools.count()


class Timer(Protocol):
    """What can be called off."""

    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], None]], Timer]


class Later:
    """Deliveries whose time has not come, earliest first, behind one timer."""

    def __init__(self, monotonic: Callable[[], float], due: Callable[[Entry], None]) -> None:
        self._monotonic, self._due = monotonic, due
        self._heap: Queue = []
        self._call_later: CallLater | None = None
        self._timer: Timer | None = None
        self._timer_at = 0.0

    def start(self, call_later: CallLater) -> None:
        self._call_later = call_later
        self._set_timer()

    def stop(self) -> None:
        self._call_later = None
        if self._timer is not None:
            self._timer.cancel()

    def push(self, entry: Entry) -> None:
        heapq.heappush(self._heap, (entry.due, next(_order), entry))
        self._set_timer()

    def ring_after(self, until: Callable[[], float], ring: Callable[[], None]) -> None:
        """Ring when a time is over, which may be put off meanwhile; not at all once stopped.

        A timer of uvloop counts from the begin of the loop's turn, so it may ring too early.
        """
        if self._call_later is None:
            return
        wait_seconds = until() - self._monotonic()
        if wait_seconds > 0:
            again = partial(self.ring_after, until, ring)
            self._call_later(max(wait_seconds, TIMER_SECONDS_MIN), again)
        else:
            ring()

    def sweep(self) -> None:
        """Let go of what was dropped, when it may be much at a time."""
        self._heap = [item for item in self._heap if item[2].state is not State.DROPPED]
        heapq.heapify(self._heap)

    def _set_timer(self) -> None:
        if self._call_later is None or not self._heap:
            return
        due = self._heap[0][0]
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        seconds = max(due - self._monotonic(), TIMER_SECONDS_MIN)
        self._timer_at = due
        self._timer = self._call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._monotonic()
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)[2]
            if entry.state is State.WAITING:
                self._due(entry)
        self._set_timer()
