"""The deliveries that the lanes have in memory, within limits for each lane and for all."""

from __future__ import annotations

from collections.abc import Callable

from agents.lane import Entry, Lane, Limits, State, Window
from streams.clock import Clock
from streams.domain.acknowledging import waits_for_its_time
from streams.domain.delivery import Delivery
from streams.domain.ids import DeliveryId


class Holding:
    """Entries by the id of their delivery, counted by lane.

    News has a window of its own, so that no backlog takes its place.
    """

    def __init__(self, limits: Limits, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._clock, self._monotonic = clock, monotonic
        self._entries: dict[DeliveryId, Entry] = {}
        self._outlived: dict[DeliveryId, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, delivery_id: DeliveryId) -> Entry | None:
        """The entry of a delivery, if it is in memory."""
        return self._entries.get(delivery_id)

    def by_key(self, key: str) -> Entry | None:
        """The entry of the delivery that has this key in the table."""
        return self._entries.get(DeliveryId(key.split("/", 2)[2]))

    def before(self, delivery_id: DeliveryId, key: str) -> Entry | None:
        """What a delivery that comes after the one with this key has to wait for, if anything."""
        return (self.by_key(key) if key else None) or self._outlived.get(delivery_id)

    def ended(self, delivery_id: DeliveryId, follower: DeliveryId) -> Entry | None:
        """What is in memory of a delivery that has ended, for the one that may follow it now.

        Its last attempt may still be under way, or that of one that ended before it: then the
        follower waits for this attempt, also if it has no room in memory until later.
        """
        entry = self._entries.get(delivery_id) or self._outlived.get(delivery_id)
        if entry is not None and entry.state is State.SENDING:
            self._outlived[follower] = entry
            entry.outlives.append(follower)
        return entry

    def landed(self, entry: Entry) -> None:
        """Nobody has to wait for this attempt any more."""
        for delivery_id in entry.outlives:
            if self._outlived.get(delivery_id) is entry:
                del self._outlived[delivery_id]

    def all(self) -> list[Entry]:
        """Every entry."""
        return list(self._entries.values())

    def of(self, lane: Lane) -> list[Entry]:
        """Every entry of a lane."""
        return [entry for entry in self._entries.values() if entry.lane is lane]

    def room(self, lane: Lane, window: Window) -> int:
        """How many deliveries the lane may take in now."""
        is_full = len(self._entries) >= self._limits.held_max
        held_max = self._limits.lane_held_min if is_full else self._limits.lane_held_max
        return held_max - lane.held[window]

    def enter(self, delivery: Delivery, lane: Lane, *, known: Entry | None = None) -> Entry | None:
        """Take in a delivery if there is room for it; else the lane has to look for it later.

        `known` is the entry of the same delivery in an older version. How long it waits is fixed
        here: a clock that is set makes it come neither early nor late.
        """
        wait_seconds, now = self.wait_seconds(delivery, known), self._monotonic()
        entry = Entry(delivery, lane, due=now + wait_seconds)
        if wait_seconds > 0:
            entry.window = Window.LATER
        elif delivery.attempts or delivery.round:
            entry.window = Window.DUE
        if self.room(lane, entry.window) <= 0:
            lane.sweep.left(max(entry.due, now))
            return None
        self.add(entry)
        return entry

    def wait_seconds(self, delivery: Delivery, known: Entry | None = None) -> float:
        """How long it is until a delivery is due; not more than 0 when it may go at once."""
        if not waits_for_its_time(delivery):
            return 0.0  # nothing to wait for, whatever clock the log was written by
        if known is not None and known.tried is not None:
            attempt, begun = known.tried
            if (known.delivery.round, attempt.number) == (delivery.round, delivery.attempts):
                # The clock may have been set since then.
                wait_seconds = (delivery.due_at - attempt.at).total_seconds()
                return begun + wait_seconds - self._monotonic()
        return (delivery.due_at - self._clock()).total_seconds()

    def add(self, entry: Entry) -> None:
        """Take in an entry."""
        self._entries[entry.delivery.delivery_id] = entry
        entry.lane.held[entry.window] += 1

    def move(self, entry: Entry, window: Window) -> None:
        """Count an entry in another window."""
        entry.lane.held[entry.window] -= 1
        entry.window = window
        entry.lane.held[window] += 1

    def remove(self, entry: Entry) -> None:
        """Let go of an entry."""
        if self._entries.get(entry.delivery.delivery_id) is entry:
            del self._entries[entry.delivery.delivery_id]
            entry.lane.held[entry.window] -= 1

    def drop_row(self, entry: Entry) -> None:
        """Let go of all that wait behind an entry."""
        while (follower := entry.follower) is not None:
            follower.state = State.DROPPED
            self.remove(follower)
            entry = follower
