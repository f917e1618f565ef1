"""Brings deliveries from the table into memory, lane by lane, in small pieces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from agents.holding import Holding
from agents.lane import Lane, Window
from agents.later import CallLater, Timer
from streams.domain.delivery import Delivery
from tables.pending import Pending

PIECE_ROWS = 64
"""So many rows take about a millisecond."""
PAUSE_SECONDS = 0.005
"""Between two pieces: whoever has much in the table takes a fifth of the time for it at most."""
LOOK_AGAIN_SECONDS = 1.0


class Sweeper:
    """Lanes take turns, one piece at a time; a lane that is closed needs nothing."""

    def __init__(
        self,
        pending: Pending,
        monotonic: Callable[[], float],
        held: Holding,
        found: Callable[[Lane, Delivery], None],
    ) -> None:
        self._pending, self._monotonic = pending, monotonic
        self._held, self._found = held, found
        self._listed: deque[Lane] = deque()
        self._call_later: CallLater | None = None
        self._timer: Timer | None = None

    def start(self, call_later: CallLater) -> None:
        """Go on with the lanes that are listed."""
        self._call_later = call_later
        self._set_timer(0.0)

    def stop(self) -> None:
        """Read nothing more until `start`."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._call_later = None

    def want(self, lane: Lane) -> None:
        """Fill a lane up from the table if there may be something, and it has room for some."""
        if lane.sweep.is_listed or not lane.sweep.is_wanted or not lane.is_open:
            return
        now = self._monotonic()
        room = self._held.room(lane, Window.DUE)
        if now < lane.pace.closed_until or 2 * room < lane.held[Window.DUE]:
            return
        if not lane.sweep.cursor and now < lane.sweep.not_before:
            self._again(lane, lane.sweep.not_before - now)
            return
        lane.sweep.is_listed = True
        self._listed.append(lane)
        self._set_timer(0.0)

    def look_again(self, lane: Lane | None) -> None:
        """Go through the table once more: a row was passed over for what was in memory.

        Not at once: what has just happened to it is about to be recorded.
        """
        if lane is not None:
            lane.sweep.left(self._monotonic() + LOOK_AGAIN_SECONDS)
            self.want(lane)

    def _again(self, lane: Lane, seconds: float) -> None:
        """One timer for each lane at most: it is listed meanwhile."""
        if self._call_later is None:
            return

        def ring() -> None:
            lane.sweep.is_listed = False
            if self._call_later is not None:
                self.want(lane)

        lane.sweep.is_listed = True
        self._call_later(seconds, ring)

    def _set_timer(self, seconds: float) -> None:
        if self._call_later is not None and self._timer is None and self._listed:
            self._timer = self._call_later(seconds, self._turn)

    def _turn(self) -> None:
        self._timer = None
        lane = self._listed.popleft()
        lane.sweep.is_listed = False
        found = self._piece(lane)
        self.want(lane)
        self._set_timer(0.0 if found else PAUSE_SECONDS)

    def _piece(self, lane: Lane) -> int:
        """Look at the next rows of a lane; gives how many were due."""
        if lane.endpoint is None:
            return 0
        sweep, found = lane.sweep, 0
        if not sweep.cursor:
            sweep.begin()
        now, endpoint_id = self._monotonic(), lane.endpoint.endpoint_id
        rows = self._pending.of(endpoint_id, after=sweep.cursor, limit=PIECE_ROWS)
        for delivery in rows:
            if self._held.room(lane, Window.DUE) <= 0:
                return found
            sweep.cursor = delivery.key
            if self._held.get(delivery.delivery_id) is not None or self._waits(delivery):
                continue
            wait_seconds = self._held.wait_seconds(delivery)
            if wait_seconds > 0:
                sweep.left(now + wait_seconds)
            else:
                self._found(lane, delivery)
                found += 1
        if not rows:  # a short piece says nothing: what is being removed was left out of it
            sweep.ended(now)
        return found

    def _waits(self, delivery: Delivery) -> bool:
        """Whether it comes after another that is pending; it is told of when that one has ended.

        The other one may be in memory, and then this one may wait behind it.
        """
        if not delivery.after or self._held.by_key(delivery.after) is not None:
            return False
        return self._pending.get(delivery.after) is not None
