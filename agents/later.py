"""What deliveries wait in until their time has come."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from agents.lane import Entry, State
from agents.waiting import Waiting

TIMER_SECONDS_MIN = 0.001


class Timer(Protocol):
    """What can be called off."""

    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], None]], Timer]


class Later:
    """Deliveries whose time has not come, earliest first, behind one timer."""

    def __init__(self, monotonic: Callable[[], float], due: Callable[[Entry], None]) -> None:
        self._monotonic, self._due = monotonic, due
        self._waiting = Waiting[Entry]()
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
        self._waiting.push(entry.due, entry)
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

    def _set_timer(self) -> None:
        due = self._waiting.first
        if self._call_later is None or due is None:
            return
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
        while (due := self._waiting.first) is not None and due <= now:
            entry = self._waiting.pop()
            if entry.state is State.WAITING:
                self._due(entry)
        self._set_timer()
