"""What deliveries wait in: the heap of due times, a lane for each endpoint, the board of turns."""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from streams.clock import Clock
from streams.domain.delivery import SUCCESS, Attempt, Delivery, Endpoint, EndpointStatus

LIVE_IN_A_ROW_MAX = 8
"""First attempts pass retries, but a retry comes after so many of them."""
TIMER_SECONDS_MAX = 60.0
"""The wall clock may be set; it is asked again at least so often while something waits."""
TIMER_SECONDS_MIN = 0.001


class Standing(StrEnum):
    """What an endpoint's latest answers say of it; each standing has slots of its own."""

    FRESH = "fresh"  # has not succeeded yet
    HEALTHY = "healthy"
    SLOW = "slow"  # answers, but holds its slots for long
    SICK = "sick"  # did not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Attempts at the same time: in all, and of one endpoint.

    Those of slow and sick endpoints are counted apart, so that hanging servers, however many,
    leave the others' slots alone. One that never answered has one attempt at a time.
    """

    in_flight_max: int = 512
    fresh_in_flight_max: int = 128  # among the above
    slow_in_flight_max: int = 128
    sick_in_flight_max: int = 128
    lane_in_flight_max: int = 8
    slow_lane_in_flight_max: int = 4
    slow_seconds: float = 1.0

    def of_all(self, standing: Standing) -> int:
        """How many attempts all lanes of a standing may hold together."""
        return {
            Standing.FRESH: self.fresh_in_flight_max,
            Standing.HEALTHY: self.in_flight_max - self.fresh_in_flight_max,
            Standing.SLOW: self.slow_in_flight_max,
            Standing.SICK: self.sick_in_flight_max,
        }[standing]

    def of_lane(self, standing: Standing) -> int:
        """How many attempts one lane of a standing may hold."""
        return {
            Standing.FRESH: 1,
            Standing.HEALTHY: self.lane_in_flight_max,
            Standing.SLOW: self.slow_lane_in_flight_max,
            Standing.SICK: 1,
        }[standing]


class State(StrEnum):
    """Where an entry is on its way."""

    WAITING = "waiting"  # for its time, or for a place in its lane
    SENDING = "sending"
    AWAITING = "awaiting"  # attempted; what follows is decided elsewhere
    DROPPED = "dropped"  # replaced or withdrawn; skipped wherever it is still queued


@dataclass(slots=True, eq=False)
class Entry:
    """A delivery as the lanes hold it; `successor` is what was asked for while it is sent."""

    delivery: Delivery
    lane: Lane
    state: State = State.WAITING
    successor: Delivery | None = None
    is_withdrawn: bool = False
    is_overdue: bool = False

    def version(self) -> tuple[int, int]:
        """Grows with every attempt and every resend."""
        newest = self.successor or self.delivery
        return newest.round, newest.attempts


_order = itertools.count()
Queue = list[tuple[float, int, Entry]]


@dataclass(slots=True, eq=False)
class Lane:
    """The deliveries of one endpoint whose time has come, earliest first."""

    endpoint: Endpoint | None = None
    standing: Standing = Standing.FRESH
    in_flight: int = 0
    overdue: int = 0
    _live: Queue = field(default_factory=list)
    _retries: Queue = field(default_factory=list)
    _live_in_a_row: int = 0

    def push(self, entry: Entry) -> None:
        queue = self._retries if entry.delivery.attempts else self._live
        heapq.heappush(queue, (entry.delivery.due_at.timestamp(), next(_order), entry))

    def pop(self) -> Entry | None:
        """The next one to send, if any is left."""
        while queue := self._next_queue():
            entry = heapq.heappop(queue)[2]
            if entry.state is State.WAITING:
                is_live = queue is self._live
                self._live_in_a_row = self._live_in_a_row + 1 if is_live else 0
                return entry
        return None

    def _next_queue(self) -> Queue:
        is_retrys_turn = self._live_in_a_row >= LIVE_IN_A_ROW_MAX and self._retries
        return self._retries if is_retrys_turn or not self._live else self._live

    def may_send(self, limits: Limits) -> bool:
        """Whether the endpoint takes one more now, and there may be one."""
        return (
            self.endpoint is not None
            and self.endpoint.effective_status is EndpointStatus.ENABLED
            and bool(self._live or self._retries)
            and self.in_flight < limits.of_lane(self.standing)
        )

    def standing_after(self, attempt: Attempt, limits: Limits) -> Standing:
        """How the lane stands after an attempt."""
        if attempt.status_code is None:
            return Standing.SICK
        is_slow = self.overdue > 0 or attempt.duration_ms >= limits.slow_seconds * 1_000
        if attempt.status_code in SUCCESS:
            return Standing.SLOW if is_slow else Standing.HEALTHY
        # An error that is answered says nothing of the server's health, except by its slowness.
        return self.standing_when_slow() if is_slow else self.standing

    def standing_when_slow(self) -> Standing:
        """How the lane stands when an attempt takes long; only a success earns patience."""
        return {
            Standing.FRESH: Standing.SICK,
            Standing.HEALTHY: Standing.SLOW,
            Standing.SLOW: Standing.SLOW,
            Standing.SICK: Standing.SICK,
        }[self.standing]


class Board:
    """Whose turn it is: lanes with something to send, by standing, each in its turn."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ready: dict[Standing, OrderedDict[Lane, None]] = {
            standing: OrderedDict() for standing in Standing
        }
        self._in_flight = dict.fromkeys(Standing, 0)
        self._slots_max = {standing: limits.of_all(standing) for standing in Standing}

    def enlist(self, lane: Lane) -> None:
        """Note that a lane may have something to send; it comes after those that wait."""
        if lane.may_send(self._limits):
            self._ready[lane.standing].setdefault(lane)

    def fill(self, begin: Callable[[Entry], None]) -> None:
        """Begin as many attempts as there are slots for, one of each lane in turn."""
        for standing, ready in self._ready.items():
            while ready and self._in_flight[standing] < self._slots_max[standing]:
                lane, _ = ready.popitem(last=False)
                entry = lane.pop() if lane.may_send(self._limits) else None
                if entry is not None:
                    lane.in_flight += 1
                    self._in_flight[standing] += 1
                    begin(entry)
                self.enlist(lane)

    def release(self, lane: Lane) -> None:
        """An attempt has ended."""
        lane.in_flight -= 1
        self._in_flight[lane.standing] -= 1

    def stand(self, lane: Lane, standing: Standing) -> None:
        """Change a lane's standing; what it has under way is counted there from now on."""
        if standing is lane.standing:
            return
        self._in_flight[lane.standing] -= lane.in_flight
        self._in_flight[standing] += lane.in_flight
        self._ready[lane.standing].pop(lane, None)
        lane.standing = standing
        self.enlist(lane)


class Timer(Protocol):
    """What can be called off."""

    def cancel(self) -> None: ...


CallLater = Callable[[float, Callable[[], None]], Timer]


class Later:
    """Deliveries whose time has not come, earliest first, behind one timer."""

    def __init__(self, clock: Clock, due: Callable[[Entry], None]) -> None:
        self._clock = clock
        self._due = due
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
        delivery = entry.delivery
        item = (delivery.due_at.timestamp(), next(_order), entry)
        heapq.heappush(self._heap, item)
        self._set_timer()

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
        seconds = min(max(due - self._clock().timestamp(), TIMER_SECONDS_MIN), TIMER_SECONDS_MAX)
        self._timer_at = due
        self._timer = self._call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._clock().timestamp()
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)[2]
            if entry.state is State.WAITING:
                self._due(entry)
        self._set_timer()
