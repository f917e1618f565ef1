"""Endpoints, deliveries and attempts, and the schedule of retries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId

RETRY_STEPS_SECONDS = (
    0, 5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
)  # fmt: skip
"""The longest wait before each attempt; the first is made at once."""
RETRY_SPAN_MIN = timedelta(hours=72)
"""Full jitter shortens the waits, so the last step repeats until this much time has passed."""
ATTEMPTS_MAX = 40
RETRY_AFTER_SECONDS_MAX = 86_400
ENDPOINTS_PER_MERCHANT_MAX = 50


class EndpointStatus(StrEnum):
    """A disabled endpoint keeps collecting; enabling it resumes."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    RETRYING = "retrying"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a merchant wants to be told; `sealed_secret` is encrypted under the master key."""

    endpoint_id: EndpointId
    merchant_id: MerchantId
    url: str
    types: tuple[str, ...]
    sealed_secret: str
    status: EndpointStatus
    created_at: datetime
    updated_at: datetime
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP try; `status_code` is absent when no answer came, `error` then says why."""

    number: int
    at: datetime
    duration_ms: int
    status_code: int | None = None
    error: str | None = None
    answer: str = ""
    retry_after_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notification to one endpoint, while it is not finished."""

    delivery_id: DeliveryId
    endpoint_id: EndpointId
    merchant_id: MerchantId
    notification_id: NotificationId
    notification_type: str
    body: str
    created_at: datetime
    due_at: datetime
    attempts: int = 0
    first_attempt_at: datetime | None = None
    round: int = 0
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The merchant's server said 2xx."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAt:
    """Not yet; try again at `due_at`."""

    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The schedule is used up; a person can resend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointGone:
    """410: the endpoint wants nothing more; it is disabled and the delivery waits."""

    due_at: datetime


Verdict = Delivered | RetryAt | GivenUp | EndpointGone

GONE = 410
SUCCESS = range(200, 300)


def wants(types: tuple[str, ...], notification_type: str) -> bool:
    """Whether a list of type patterns covers a type; an empty list covers everything."""
    if not types:
        return True
    return any(_covers(pattern, notification_type) for pattern in types)


def _covers(pattern: str, notification_type: str) -> bool:
    if pattern in {"*", notification_type}:
        return True
    return pattern.endswith(".*") and notification_type.startswith(pattern[:-1])


def after_attempt(
    attempt: Attempt, *, attempts_made: int, first_attempt_at: datetime, fraction: float
) -> Verdict:
    """Decide what follows an attempt; `fraction` in [0, 1) is the jitter, drawn by the caller."""
    if attempt.status_code in SUCCESS:
        return Delivered()
    if attempt.status_code == GONE:
        return EndpointGone(due_at=attempt.at)
    if attempts_made >= ATTEMPTS_MAX:
        return GivenUp()
    used_up = attempts_made >= len(RETRY_STEPS_SECONDS)
    if used_up and attempt.at - first_attempt_at >= RETRY_SPAN_MIN:
        return GivenUp()
    step_seconds = RETRY_STEPS_SECONDS[min(attempts_made, len(RETRY_STEPS_SECONDS) - 1)]
    wait_seconds = step_seconds * fraction
    if attempt.retry_after_seconds is not None:
        # The receiver knows best when it can take more, within a day.
        asked = min(attempt.retry_after_seconds, RETRY_AFTER_SECONDS_MAX)
        wait_seconds = max(wait_seconds, asked)
    return RetryAt(due_at=attempt.at + timedelta(seconds=wait_seconds))
