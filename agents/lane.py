"""What deliveries wait in when they are due: a lane for each endpoint, the board of turns."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from agents.pacing import Pace
from agents.sweep import Sweep
from agents.waiting import Waiting
from streams.domain.delivery import SUCCESS, Attempt, Delivery, Endpoint, EndpointStatus
from streams.domain.ids import DeliveryId

LIVE_IN_A_ROW_MAX = 8
"""News passes all else, but something else comes after so many of them."""


class Standing(StrEnum):
    """What an endpoint's latest answers say of it; each standing has slots of its own."""

    FRESH = "fresh"  # has not succeeded yet
    HEALTHY = "healthy"
    SLOW = "slow"  # answers, but holds its slots for long; or was well and broke off once
    SICK = "sick"  # did not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Attempts at the same time: in all, and of one endpoint.

    Those of slow and sick endpoints are counted apart, so that hanging servers, however many,
    leave the others' slots alone. One that never answered has one attempt at a time. What is under
    way when an endpoint turns bad is counted there from then on, and may be more than it has slots
    for; `all_in_flight_max` is what the process can bear, whatever turns bad at once.
    """

    all_in_flight_max: int = 1_920
    in_flight_max: int = 512  # of endpoints that are well, or new
    fresh_in_flight_max: int = 128  # among the above
    slow_in_flight_max: int = 128
    sick_in_flight_max: int = 128
    lane_in_flight_max: int = 64
    slow_lane_in_flight_max: int = 4
    slow_seconds: float = 1.0
    held_max: int = 20_000  # deliveries in memory; the others wait in the table
    lane_held_max: int = 256  # in each window
    lane_held_min: int = 16  # has every lane, even beyond `held_max`

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
    BEHIND = "behind"  # another one of its invoice, which has to end first
    DROPPED = "dropped"  # replaced or withdrawn; skipped wherever it is still queued


class Window(StrEnum):
    """What an entry takes room from, in its lane; the one kind leaves the other its room."""

    NEWS = "news"  # not tried before, and not asked for a second time
    DUE = "due"  # all else that may be sent
    LATER = "later"  # its time has not come


@dataclass(slots=True, eq=False)
class Entry:
    """A delivery as the lanes hold it; `successor` is what was asked for while it is sent."""

    delivery: Delivery
    lane: Lane
    state: State = State.WAITING
    window: Window = Window.NEWS
    due: float = 0.0
    """When its time comes, in seconds of the monotonic clock."""
    tried: tuple[Attempt, float] | None = None
    """Its attempt, and when that began by the monotonic clock."""
    successor: Delivery | None = None
    behind: Entry | None = None
    follower: Entry | None = None
    outlives: list[DeliveryId] = field(default_factory=list)
    """What may go by the table, and waits for this attempt all the same."""
    is_withdrawn: bool = False
    """Forgotten while it is sent: it is over, or another worker has it."""
    is_over: bool = False
    is_delivered: bool = False
    is_overdue: bool = False

    @property
    def is_dropped(self) -> bool:
        """Whether it is only still there."""
        return self.state is State.DROPPED

    def wait_behind(self, before: Entry) -> None:
        """Wait until the other one has ended."""
        self.state, self.behind, before.follower = State.BEHIND, before, self

    def release(self) -> Entry | None:
        """Give the one that waited behind, which waits no more."""
        follower, self.follower = self.follower, None
        if follower is not None:
            follower.behind = None
        return follower

    def leave(self) -> Entry | None:
        """Wait behind nobody any more; gives the one that it waited behind."""
        before, self.behind = self.behind, None
        if before is not None:
            before.follower = None
        return before

    def hand_over(self, newer: Entry) -> None:
        """The newer entry of the same delivery takes the place in the row."""
        newer.follower = self.follower
        if newer.follower is not None:
            newer.follower.behind = newer
        self.follower = None

    def step_out(self) -> None:
        """Leave the row; who waited behind waits behind the one before."""
        if self.behind is not None:
            self.behind.follower = self.follower
            if self.follower is not None:
                self.follower.behind = self.behind
            self.behind = self.follower = None

    def version(self) -> tuple[int, int]:
        """Grows with every attempt and every resend; after a success its round has no more."""
        newest = self.successor or self.delivery
        is_last = self.is_delivered and self.successor is None
        return newest.round, sys.maxsize if is_last else newest.attempts


@dataclass(slots=True, eq=False)
class Lane:
    """The deliveries of one endpoint whose time has come: news first, then the earliest."""

    endpoint: Endpoint | None = None
    standing: Standing = Standing.FRESH
    pace: Pace = field(default_factory=Pace)
    in_flight: int = 0
    overdue: int = 0
    held: dict[Window, int] = field(default_factory=lambda: dict.fromkeys(Window, 0))
    sweep: Sweep = field(default_factory=Sweep)
    _live: Waiting[Entry] = field(default_factory=Waiting)
    _others: Waiting[Entry] = field(default_factory=Waiting)
    _live_in_a_row: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is to be sent anything."""
        return (
            self.endpoint is not None and self.endpoint.effective_status is EndpointStatus.ENABLED
        )

    def push(self, entry: Entry) -> None:
        """Let an entry wait for its turn."""
        queue = self._live if entry.window is Window.NEWS else self._others
        queue.push(entry.delivery.due_at.timestamp(), entry)

    def pop(self) -> Entry | None:
        """The next one to send, if any is left."""
        while queue := self._next_queue():
            entry = queue.pop()
            if entry.state is State.WAITING:
                is_live = queue is self._live
                self._live_in_a_row = self._live_in_a_row + 1 if is_live else 0
                return entry
        return None

    def _next_queue(self) -> Waiting[Entry]:
        is_others_turn = self._live_in_a_row >= LIVE_IN_A_ROW_MAX and self._others
        return self._others if is_others_turn or not self._live else self._live

    def may_send(self, limits: Limits, now: float) -> bool:
        """Whether the endpoint takes one more now, and there may be one."""
        return (
            bool(self._live or self._others)
            and self.in_flight < limits.of_lane(self.standing)
            and self.pace.allows(now, self.in_flight)
            and self.is_open
        )

    def standing_after(self, attempt: Attempt, limits: Limits) -> Standing:
        """How the lane stands after an attempt."""
        if attempt.status_code is None:
            # One connection that broke at once says little of a server that was well before.
            is_odd = self.standing is Standing.HEALTHY and not self._took_long(attempt, limits)
            return Standing.SLOW if is_odd else Standing.SICK
        is_slow = self.overdue > 0 or self._took_long(attempt, limits)
        if attempt.status_code in SUCCESS:
            return Standing.SLOW if is_slow else Standing.HEALTHY
        # An error that is answered says nothing of the server's health, except by its slowness.
        return self.standing_when_slow() if is_slow else self.standing

    @staticmethod
    def _took_long(attempt: Attempt, limits: Limits) -> bool:
        return attempt.duration_ms >= limits.slow_seconds * 1_000

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

    def __init__(self, limits: Limits, monotonic: Callable[[], float]) -> None:
        self._limits, self._monotonic = limits, monotonic
        self._ready: dict[Standing, OrderedDict[Lane, None]] = {
            standing: OrderedDict() for standing in Standing
        }
        self._in_flight = dict.fromkeys(Standing, 0)
        self._slots_max = {standing: limits.of_all(standing) for standing in Standing}

    def enlist(self, lane: Lane) -> None:
        """Note that a lane may have something to send; it comes after those that wait."""
        if lane.may_send(self._limits, self._monotonic()):
            self._ready[lane.standing].setdefault(lane)

    def fill(self, begin: Callable[[Entry], None]) -> None:
        """Begin as many attempts as there are slots for, one of each lane in turn."""
        now = self._monotonic()
        for standing, ready in self._ready.items():
            while ready and self._has_slot(standing):
                lane, _ = ready.popitem(last=False)
                entry = lane.pop() if lane.may_send(self._limits, now) else None
                if entry is not None:
                    lane.in_flight += 1
                    self._in_flight[standing] += 1
                    begin(entry)
                self.enlist(lane)

    def _has_slot(self, standing: Standing) -> bool:
        is_free = self._in_flight[standing] < self._slots_max[standing]
        return is_free and sum(self._in_flight.values()) < self._limits.all_in_flight_max

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
