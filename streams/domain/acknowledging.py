"""The business acknowledgement: what was received is told again until somebody has acted on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from streams.domain.delivery import (
    SUCCESS,
    Attempt,
    Delivered,
    Delivery,
    Endpoint,
    GivenUp,
    Verdict,
)

ACK_SECONDS_MIN = 60
ACK_SECONDS_MAX = 604_800
ACK_TELLINGS_MAX = 3
"""So often a delivery is answered 2xx before nobody is told again."""


class AcknowledgedBy(StrEnum):
    """How a merchant acknowledged."""

    ANSWER = "answer"  # `released_at` in the answer to a webhook
    CALL = "call"  # of the API


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """That a merchant has acted on an event: when we heard of it, and how."""

    at: datetime
    by: AcknowledgedBy
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TellAgain:
    """2xx, but nobody has acknowledged it: tell it again at `due_at` unless somebody does."""

    due_at: datetime


def ack_seconds(delivery: Delivery, endpoint: Endpoint) -> int:
    """How long an acknowledgement is waited for; 0 where none is needed."""
    return endpoint.ack_seconds if endpoint.ack_required and not delivery.acknowledged else 0


def waits_for_its_time(delivery: Delivery) -> bool:
    """Whether the next attempt is due at `due_at`; any other first one is due at once."""
    return delivery.attempts > 0 or delivery.tellings > 0


def is_unacknowledged(attempt: Attempt, seconds: int) -> bool:
    """Whether an attempt was answered 2xx without the acknowledgement that was waited for."""
    return seconds > 0 and attempt.status_code in SUCCESS and attempt.released_at is None


def after_telling(
    verdict: Verdict, attempt: Attempt, *, tellings: int, seconds: int
) -> Verdict | TellAgain:
    """Decide what follows where a 2xx alone may not be enough.

    `tellings` is how many unacknowledged 2xx there were before, `seconds` what `ack_seconds` says.
    """
    if tellings and isinstance(verdict, GivenUp):
        return Delivered()  # it was delivered before, and told again in vain
    if not is_unacknowledged(attempt, seconds) or tellings + 1 >= ACK_TELLINGS_MAX:
        return verdict
    return TellAgain(due_at=attempt.at + timedelta(seconds=seconds))
