"""Says how long each stage of one attempt took, and to which address it went."""

from __future__ import annotations

from enum import StrEnum

from streams.clock import monotonic_seconds


class Stage(StrEnum):
    """What an attempt waits for, in this order; a kept connection has the last one alone."""

    WAITING = "waiting"  # for a place among the connections
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    FIRST_BYTE = "first_byte"  # sending, and until the head of the answer is there


class Stages:
    """The stages of one attempt, from its making on; of a repeated one the sum.

    The stage in which an attempt fails lasts until its `end`.
    """

    __slots__ = ("_begun", "_seconds", "_since", "_stage", "address")

    def __init__(self) -> None:
        self.address: str | None = None
        """Where the latest connection goes or was tried to."""
        """Whether a kept connection was tried."""
        self._begun = self._since = monotonic_seconds()
        self._stage: Stage | None = None
        self._seconds: dict[Stage, float] = {}

    def end(self) -> int:
        """The attempt is over; gives the milliseconds that it took in all."""
        self.enter(None)
        return int((self._since - self._begun) * 1_000)

    def left(self, seconds: float) -> float:
        """What is left of so many seconds since the attempt began; never less than nothing."""
        return max(self._begun + seconds - monotonic_seconds(), 0.0)

    def enter(self, stage: Stage | None) -> None:
        """Begin a stage, which ends the one before; None begins what is no stage."""
        now = monotonic_seconds()
        if self._stage is not None:
            self._seconds[self._stage] += now - self._since
        self._stage, self._since = stage, now
        if stage is not None:
            self._seconds.setdefault(stage, 0.0)

    def took_ms(self, stage: Stage) -> int | None:
        """The milliseconds of a stage; None when there was none."""
        return int(took * 1_000) if (took := self._seconds.get(stage)) is not None else None
