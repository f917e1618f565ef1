"""How far a lane has looked through the table for deliveries that it does not hold in memory."""

from __future__ import annotations

from dataclasses import dataclass

AGAIN_SECONDS_MIN = 1.0
"""A table that was gone through is not gone through again at once for one delivery."""
AGAIN_SECONDS_MAX = 60.0


@dataclass(slots=True)
class Sweep:
    """One pass after the other over an endpoint's rows, from the earliest on.

    A pass that left nothing behind is the last one, until a delivery finds no room in memory.
    All times are seconds of a monotonic clock.
    """

    is_wanted: bool = True
    """Whether the table may have deliveries that are not in memory; nothing is known at first."""
    cursor: str = ""
    """The key of the last row that was looked at in this pass; empty between passes."""
    not_before: float = 0.0
    """When to begin the next pass."""
    is_listed: bool = False
    _due: float | None = None

    def left(self, due: float) -> None:
        """A delivery stays in the table, and is to be made at this time."""
        self._due = due if self._due is None else min(self._due, due)
        if not self.is_wanted or not self.cursor:
            self.not_before = min(self.not_before, due) if self.is_wanted else due
        self.is_wanted = True

    def begin(self) -> None:
        """A new pass looks at everything, also at what the last one left."""
        self._due = None

    def ended(self, now: float) -> None:
        """The pass has come to the end; what it left wants another one."""
        self.cursor = ""
        self.is_wanted = self._due is not None
        if self._due is not None:
            self.not_before = min(max(self._due, now + AGAIN_SECONDS_MIN), now + AGAIN_SECONDS_MAX)
