"""What its attempts say of an endpoint: whether it is failing, and when we stop sending to it.

A fold over the set of attempts: any order, and any of them twice, leads to the same decision.
That is why failures are kept by the hour and are not counted: a count grows with a repeat, and a
set of all failures grows without end, but a failing endpoint has at most so many hours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

FAILING_TOLD_AFTER = (timedelta(hours=1), timedelta(days=1), timedelta(days=3))
"""The merchant is warned when nothing has succeeded for so long since the first failure."""
PAUSED_AFTER = timedelta(days=5)
FAILED_HOURS_MIN = 10
"""First attempts failed in so many different hours: two bad moments are not five bad days."""
HOUR_SECONDS = 3_600


class StatusReason(StrEnum):
    """Why we stopped sending to an endpoint."""

    GONE = "gone"  # it answered 410
    FAILING = "failing"  # first attempts failed for `PAUSED_AFTER`


class Turn(StrEnum):
    """What changed with one attempt, worth a word to the merchant or to the directory."""

    WARNED = "warned"
    PAUSED = "paused"
    GONE = "gone"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The first attempts that failed since the last success, the success, and a 410.

    An hour with a success in it counts as good to its end.
    """

    failures: tuple[datetime, ...] = ()
    """The earliest of each hour, oldest first."""
    succeeded_at: datetime | None = None
    """A success of the latest hour that had one: the first that was heard of."""
    ended_warning: bool = False
    """Whether that success ended something that the merchant was warned of."""
    gone_at: datetime | None = None
    """The earliest 410."""

    @property
    def failing_since(self) -> datetime | None:
        """When the first of the failures was."""
        return self.failures[0] if self.failures else None

    @property
    def stopped(self) -> StatusReason | None:
        """Why nothing is sent any more; None while there is no reason."""
        if self.gone_at is not None:
            return StatusReason.GONE
        return StatusReason.FAILING if self._passed_at(PAUSED_AFTER, FAILED_HOURS_MIN) else None

    def failed(self, at: datetime) -> Health:
        """A first attempt failed."""
        if self._is_forgiven(at):
            return self
        by_hour = {_hour(each): each for each in self.failures}
        known = by_hour.get(_hour(at))
        if known is not None and known <= at:
            return self
        by_hour[_hour(at)] = at
        return replace(self, failures=tuple(sorted(by_hour.values())))

    def succeeded(self, at: datetime) -> Health:
        """Any attempt succeeded: whatever failed until the end of that hour is forgiven."""
        if self._is_forgiven(at):
            return self
        failures = tuple(each for each in self.failures if _hour(each) > _hour(at))
        is_end = failures != self.failures and self._passed_at(FAILING_TOLD_AFTER[0]) is not None
        return replace(self, failures=failures, succeeded_at=at, ended_warning=is_end)

    def gone(self, at: datetime) -> Health:
        """The receiver answered 410."""
        return replace(self, gone_at=min(at, self.gone_at or at))

    def since(self, at: datetime) -> Health:
        """The same without what was before: a person wants the endpoint tried again."""
        is_gone = self.gone_at is not None and self.gone_at >= at
        return replace(
            self,
            failures=tuple(each for each in self.failures if each >= at),
            gone_at=self.gone_at if is_gone else None,
        )

    def turn_at(self, at: datetime) -> Turn | None:
        """What changed with the attempt that was made at `at`, which is part of this already.

        It depends on what is known alone and not on what was before: a replay says it again.
        """
        if at == self.gone_at:
            return Turn.GONE
        if at == self._passed_at(PAUSED_AFTER, FAILED_HOURS_MIN):
            return Turn.PAUSED
        if any(at == self._passed_at(span) for span in FAILING_TOLD_AFTER):
            return Turn.WARNED
        return Turn.RECOVERED if self.ended_warning and at == self.succeeded_at else None

    def _is_forgiven(self, at: datetime) -> bool:
        return self.succeeded_at is not None and _hour(at) <= _hour(self.succeeded_at)

    def _passed_at(self, span: timedelta, hours_min: int = 1) -> datetime | None:
        """The first failure that is so long after the very first one."""
        late = self.failures[hours_min - 1 :]
        # Asked at every turn of a lane, and true of few endpoints.
        if not late or late[-1] - self.failures[0] < span:
            return None
        return next(each for each in late if each - self.failures[0] >= span)


def _hour(at: datetime) -> int:
    return int(at.timestamp()) // HOUR_SECONDS
