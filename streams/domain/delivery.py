"""Endpoints, deliveries and attempts, and the schedule of retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from streams.domain.health import Health, StatusReason
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId, ReplayId
from streams.domain.signing import SigningKey, SigningSecret, good_at

RETRY_STEPS_SECONDS = (
    0, 5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
)  # fmt: skip
"""The longest wait before each attempt; the first is made at once."""
RETRY_SPAN_MIN = timedelta(hours=72)
"""Full jitter shortens the waits, so the last step repeats until this much time has passed."""
ATTEMPTS_MAX = 40
RETRY_AFTER_SECONDS_MAX = 86_400
OWN_RETRIES_MAX = 12
OWN_RETRY_SECONDS_MAX = 86_400
TIMEOUT_SECONDS_MAX = 30
ACK_SECONDS_DEFAULT = 3_600
ENDPOINTS_PER_MERCHANT_MAX = 50


class EndpointStatus(StrEnum):
    """A disabled or paused endpoint keeps collecting; enabling it resumes."""

    ENABLED = "enabled"
    DISABLED = "disabled"  # by a person, or by its own answer 410
    PAUSED = "paused"  # by us, after it failed for days


STOPPED_AS = {
    StatusReason.GONE: EndpointStatus.DISABLED,
    StatusReason.FAILING: EndpointStatus.PAUSED,
}
"""What the status of an endpoint is when we stopped sending to it."""


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    RETRYING = "retrying"
    FAILED = "failed"
    SUPERSEDED = "superseded"  # undelivered, and a newer state of the same invoice took its place


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where and how a merchant wants to be told; what is secret is encrypted under the master key.

    `sealed_secret` is the only secret of a record that is older than `secrets`, and else empty.
    """

    endpoint_id: EndpointId
    merchant_id: MerchantId
    url: str
    types: tuple[str, ...]
    status: EndpointStatus
    created_at: datetime
    updated_at: datetime
    sealed_secret: str = ""
    description: str = ""
    secrets: tuple[SigningSecret, ...] = ()
    """Newest first; the first one signs for good, the others until their time."""
    sealed_headers: str = ""
    """The merchant's own headers, as one JSON object; empty when there are none."""
    timeout_seconds: int | None = None
    """How long an attempt may take; None is what the operator has set."""
    retry_seconds: tuple[int, ...] = ()
    """The longest wait before each retry; empty is the standard schedule."""
    supersede: bool = False
    """Whether an undelivered state of an invoice is skipped for a newer one."""
    ack_required: bool = False
    """Whether a 2xx without an acknowledgement is told again after `ack_seconds`."""
    ack_seconds: int = ACK_SECONDS_DEFAULT
    enabled_at: datetime | None = None
    """When a person last enabled it or gave it another URL; None is when it was made."""
    health: Health = field(default_factory=Health)
    """What its attempts say of it: the notifying step's to know, whatever a person changes."""

    @property
    def watched_from(self) -> datetime:
        """Attempts before say nothing of the endpoint as it is now."""
        return self.enabled_at or self.created_at

    @property
    def status_reason(self) -> StatusReason | None:
        """Why we stopped sending to it; None where we did not, or a person did."""
        return self.health.stopped if self.status is EndpointStatus.ENABLED else None

    @property
    def effective_status(self) -> EndpointStatus:
        """What a person wants, unless its attempts stand against it."""
        reason = self.status_reason
        return self.status if reason is None else STOPPED_AS[reason]

    def heard(self, attempt: Attempt) -> Endpoint:
        """The same endpoint, with what an attempt says of it."""
        if attempt.at < self.watched_from:
            return self
        health = self.health
        if attempt.status_code in SUCCESS:
            health = health.succeeded(attempt.at)  # nearly always the same
        elif attempt.status_code == GONE:
            health = health.gone(attempt.at)
        elif attempt.number == 1:
            health = health.failed(attempt.at)
        return self if health is self.health else replace(self, health=health)

    def with_health(self, health: Health) -> Endpoint:
        """The same with what was known of it, as far as it speaks of the endpoint as it is now."""
        return replace(self, health=health.since(self.watched_from))

    def secrets_at(self, now: datetime) -> tuple[SigningSecret, ...]:
        """What deliveries are signed with at `now`, newest first."""
        if self.secrets:
            return good_at(self.secrets, now)
        return (SigningSecret(secret_id="", sealed=self.sealed_secret, created_at=self.created_at),)

    def tidied(self, now: datetime) -> Endpoint:
        """The same without the secrets whose time has passed."""
        return replace(self, secrets=self.secrets_at(now), sealed_secret="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one attempt needs to know of its endpoint, unsealed; it lives in memory alone."""

    url: str
    keys: Sequence[SigningKey]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One HTTP try; `status_code` is absent when no answer came, `error` then says why.

    The stages of `duration_ms`, in milliseconds, are absent where they did not happen, which is
    the first four of a kept connection. Of an attempt without an answer the last one is where it
    failed.
    """

    number: int
    at: datetime
    duration_ms: int
    status_code: int | None = None
    error: str | None = None
    answer: str = ""
    retry_after_seconds: int | None = None
    address: str | None = None
    """The IP address that was connected to, or tried last."""
    waiting_ms: int | None = None
    """Until a connection was free, where too many were in use."""
    dns_ms: int | None = None
    connect_ms: int | None = None
    tls_ms: int | None = None
    first_byte_ms: int | None = None
    """From the connection until the head of the answer."""
    released_at: datetime | None = None
    """When the order was released, as the answer says: the business acknowledgement."""


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
    sequence: int = 0
    """Its number among all deliveries of the endpoint, from 1 on without a gap; 0 is unknown."""
    previous_id: NotificationId | None = None
    """The notification with the number before."""
    after: str = ""
    """The key of the delivery that has to end before this one begins: same invoice, told before."""
    then: str = ""
    """The key of the delivery that waits for this one."""
    replay_id: ReplayId | None = None
    """The replay that this round is of; a later round without one is a single resend."""
    tellings: int = 0
    """How often it was answered 2xx and nobody acknowledged it."""
    acknowledged: bool = False
    """Whether the merchant has acknowledged it already, so that any 2xx will do."""
    had_ended: bool = False
    """Whether it had ended before this round: news of its invoice passes it."""

    @property
    def key(self) -> str:
        """Where it stands among those that are pending: by endpoint, the earliest first."""
        return delivery_key(self.endpoint_id, self.created_at, self.delivery_id)


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

GONE, SUCCESS = 410, range(200, 300)


def delivery_key(endpoint: EndpointId, created_at: datetime, delivery: DeliveryId) -> str:
    """The key of a delivery while it is pending; in order of time within its endpoint."""
    milliseconds = int(created_at.timestamp() * 1_000)
    return f"{endpoint}/{milliseconds:013d}/{delivery}"


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
    attempt: Attempt,
    *,
    attempts_made: int,
    first_attempt_at: datetime,
    fraction: float,
    retry_seconds: tuple[int, ...] = (),
) -> Verdict:
    """Decide what follows an attempt; `fraction` in [0, 1) is the jitter, drawn by the caller.

    A wait begins when the attempt has ended: one that hung longer than its step has a pause too.
    `retry_seconds` is the endpoint's own schedule, if it has one.
    """
    if attempt.status_code in SUCCESS:
        return Delivered()
    if attempt.status_code == GONE:
        return EndpointGone(due_at=attempt.at)
    elapsed = attempt.at - first_attempt_at
    if retry_seconds:
        step_seconds = _own_step(retry_seconds, attempts_made)
    else:
        step_seconds = _standard_step(attempts_made, elapsed)
    if step_seconds is None:
        return GivenUp()
    # The receiver knows best when it can take more, within a day.
    asked = min(attempt.retry_after_seconds or 0, RETRY_AFTER_SECONDS_MAX)
    wait_seconds = max(step_seconds * fraction, asked)
    ended_at = attempt.at + timedelta(milliseconds=attempt.duration_ms)
    return RetryAt(due_at=ended_at + timedelta(seconds=wait_seconds))


def _standard_step(attempts_made: int, elapsed: timedelta) -> int | None:
    """The longest wait before the next attempt; None when there is none."""
    if attempts_made >= ATTEMPTS_MAX:
        return None
    if attempts_made >= len(RETRY_STEPS_SECONDS):
        return RETRY_STEPS_SECONDS[-1] if elapsed < RETRY_SPAN_MIN else None
    return RETRY_STEPS_SECONDS[attempts_made]


def _own_step(retry_seconds: tuple[int, ...], attempts_made: int) -> int | None:
    # Whoever chose the steps chose their number: none is repeated to fill a span.
    return retry_seconds[attempts_made - 1] if attempts_made <= len(retry_seconds) else None
