"""How many attempts at a time an endpoint takes, as its answers show, and when it takes none."""

from __future__ import annotations

from dataclasses import dataclass

from streams.domain.delivery import SUCCESS, Attempt

CUT = 0.5
"""What is left of the number of attempts at a time when an endpoint says that it is too much."""
FAST_ENOUGH_SECONDS = 0.25
"""An answer within this time is no sign of too much, whatever the endpoint's own pace is."""
SLOWED_TIMES = 4.0
"""An answer so many times slower than the fastest ones lets the number grow no further."""
FORGETTING = 1.001
"""The fastest answer loses its meaning slowly: what it was measured on may have changed."""
FAILURES_MAX = 10
"""So many failures in a row open the circuit."""
PAUSE_SECONDS_FIRST = 1.0
PAUSE_SECONDS_MAX = 60.0
RETRY_AFTER_SECONDS_MAX = 300.0
"""A delivery waits as long as its answer asks, up to a day; others of its endpoint this long."""
TOO_MUCH = 429
UNAVAILABLE = range(500, 600)


@dataclass(slots=True)
class Pace:
    """The window of one endpoint: additive growth, multiplicative cuts, and a circuit breaker.

    All times are seconds of a monotonic clock.
    """

    at_once: float = 1.0
    """How many attempts at a time; it begins with one, and doubles until the first cut."""
    _doubles_until: float = 1_000_000.0
    _cut_at: float = -1.0
    _fastest_seconds: float = 0.0
    _failures: int = 0
    _pause_seconds: float = PAUSE_SECONDS_FIRST
    _opened_at: float = -1.0
    closed_until: float = 0.0
    is_probing: bool = False
    """After a pause one attempt shows whether the endpoint is back."""

    def allows(self, now: float, in_flight: int) -> bool:
        """Whether one more attempt may begin."""
        if now < self.closed_until:
            return False
        return in_flight < (1 if self.is_probing else int(self.at_once))

    def landed(self, attempt: Attempt, *, begun: float, now: float, in_flight: int) -> None:
        """Learn from an attempt; `in_flight` counts it, and `begun` is when it began."""
        if attempt.status_code in SUCCESS:
            self._succeeded(now - begun, in_flight)
            return
        self._failed(begun, now)
        status_code = attempt.status_code
        if status_code is None or status_code == TOO_MUCH or status_code in UNAVAILABLE:
            self._cut(begun, now)
            if attempt.retry_after_seconds is not None:
                pause_seconds = min(attempt.retry_after_seconds, RETRY_AFTER_SECONDS_MAX)
                self.closed_until = max(self.closed_until, now + pause_seconds)

    def slowed(self, begun: float, now: float) -> None:
        """An attempt takes so long that there should be fewer at a time."""
        self._cut(begun, now)

    def forget(self) -> None:
        """Another server: nothing is known of it."""
        fresh = Pace()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def _succeeded(self, seconds: float, in_flight: int) -> None:
        if self.is_probing:
            # What piled up meanwhile must not fall on a server that has just come back.
            self.at_once, self.is_probing = 1.0, False
        self._failures, self._pause_seconds = 0, PAUSE_SECONDS_FIRST
        fastest = self._fastest_seconds * FORGETTING or seconds
        self._fastest_seconds = min(fastest, seconds)
        is_slowed = seconds > max(FAST_ENOUGH_SECONDS, SLOWED_TIMES * self._fastest_seconds)
        if is_slowed or in_flight < int(self.at_once):
            return  # more at a time would not help, or nobody asked for more
        self.at_once += 1.0 if self.at_once < self._doubles_until else 1.0 / self.at_once

    def _failed(self, begun: float, now: float) -> None:
        if begun < self._opened_at:
            return  # it was under way when the circuit opened, and opens it no further
        self._failures += 1
        if self.is_probing or self._failures >= FAILURES_MAX:
            self.closed_until = max(self.closed_until, now + self._pause_seconds)
            self._pause_seconds = min(self._pause_seconds * 2, PAUSE_SECONDS_MAX)
            self.is_probing, self._opened_at = True, now

    def _cut(self, begun: float, now: float) -> None:
        if begun < self._cut_at:
            return  # it began before the last cut, and says the same once more
        self._cut_at = now
        self.at_once = self._doubles_until = max(1.0, self.at_once * CUT)
