"""Servers that take so many requests at a time, and that can all be away for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

OK, TOO_MANY, UNAVAILABLE, NEVER = 200, 429, 503, 0
"""Statuses of answers; `NEVER` is none at all."""


class Mood(StrEnum):
    """What every busy server does with what comes now."""

    SERVE = "serve"
    HANG = "hang"
    FAIL = "fail"


@dataclass(slots=True)
class BusyServers:
    """What busy servers, by path, are doing now.

    Every request takes its time, also one that is refused because the server has too many: so
    `most` is what whoever sends really had under way.
    """

    mood: Mood = Mood.SERVE
    most: Counter[str] = field(default_factory=Counter)
    """The most requests at once since the last change of mood, by path."""
    _now: Counter[str] = field(default_factory=Counter)

    def change(self, mood: Mood) -> None:
        """All of them behave so from now on; what hangs already is never answered."""
        self.mood = mood
        self.most.clear()

    def begin(self, path: str, capacity: int) -> tuple[int, Callable[[], None]]:
        """Take a request: what it will be answered, and what to call then."""
        if self.mood is Mood.HANG:
            return NEVER, lambda: None
        self._now[path] += 1
        self.most[path] = max(self.most[path], self._now[path])
        if self.mood is Mood.FAIL:
            status = UNAVAILABLE
        else:
            status = OK if self._now[path] <= capacity else TOO_MANY
        return status, lambda: self._end(path)

    def _end(self, path: str) -> None:
        self._now[path] -= 1
