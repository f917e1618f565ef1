"""Deliveries in the order of their times, without those that were dropped meanwhile."""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, Protocol, TypeVar

DROPPED_MAX = 64
"""So many of what was dropped may stay, or else as many as there are others."""


class Droppable(Protocol):
    """What may be dropped wherever it still waits."""

    @property
    def is_dropped(self) -> bool: ...


E = TypeVar("E", bound=Droppable)

_order = itertools.count()


class Waiting(Generic[E]):
    """The earliest first; of equal times what came first.

    Whoever drops an entry tells nobody: from time to time all are looked at when one more comes,
    so that this costs little and memory is bounded by those that wait.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, E]] = []
        self._look_at = DROPPED_MAX

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def first(self) -> float | None:
        """The earliest time; that of a dropped one, it may be."""
        return self._heap[0][0] if self._heap else None

    def push(self, at: float, entry: E) -> None:
        """Let an entry wait for a time."""
        heapq.heappush(self._heap, (at, next(_order), entry))
        if len(self._heap) > self._look_at:
            self._let_go()

    def pop(self) -> E:
        """Take the first one, which may be dropped; raises `IndexError` where none is."""
        return heapq.heappop(self._heap)[2]

    def _let_go(self) -> None:
        self._heap = [item for item in self._heap if not item[2].is_dropped]
        heapq.heapify(self._heap)
        self._look_at = 2 * len(self._heap) + DROPPED_MAX
