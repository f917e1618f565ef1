"""The deliveries that the lanes have in memory, within limits for each lane and for all."""

from __future__ import annotations

from collections.abc import Callable

from agents.lane import Entry, Lane, Limits, Window
from streams.clock import Clock
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

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, delivery_id: DeliveryId) -> Entry | None:
        """The entry of a delivery, if it is in memory."""
        return self._entries.get(delivery_id)

    def by_key(self, key: str) -> Entry | None:
        """The entry of the delivery that has this key in the table."""
        return self._entries.get(DeliveryId(key.split("/", 2)[2]))

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

    def enter(self, delivery: Delivery, lane: Lane) -> Entry | None:
        """Take in a delivery if there is room for it; else the lane has to look for it later."""
        # A first attempt has nothing to wait for, whatever clock the log was written by.
        wait_seconds = (delivery.due_at - self._clock()).total_seconds() if delivery.attempts else 0
        entry = Entry(delivery, lane)
        if wait_seconds > 0:
            entry.window = Window.LATER
        elif delivery.attempts or delivery.round:
            entry.window = Window.DUE
        if self.room(lane, entry.window) <= 0:
            lane.sweep.left(self._monotonic() + max(wait_seconds, 0.0))
            return None
        self.add(entry)
        return entry

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
