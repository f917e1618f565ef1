"""What travels on the topics of the log: one tagged union for each topic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from streams.domain.delivery import Attempt, Delivery, Endpoint
from streams.domain.health import Health
from streams.domain.ids import (
    AccountId,
    DeliveryId,
    EndpointId,
    InvoiceId,
    MerchantId,
    NoticeId,
    NotificationId,
)
from streams.domain.invoice import Assignment, InvoiceTerms, ReleasePolicy
from streams.domain.notice import ChannelKind, Notice
from streams.domain.notification import Notification, Told
from streams.domain.sequence import Source

# --- references: key is account id and reference


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeReceived:
    """A channel said something about money; accepted by the API."""

    merchant_id: MerchantId
    notice: Notice
    received_at: datetime
    type: Literal["notice"] = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceIssued:
    """A reference now belongs to an invoice."""

    merchant_id: MerchantId
    invoice_id: InvoiceId
    type: Literal["issued"] = "issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAssigned:
    """A person gave a waiting notice to an invoice."""

    merchant_id: MerchantId
    notice_id: NoticeId
    invoice_id: InvoiceId
    assignment: Assignment
    type: Literal["assigned"] = "assigned"


ReferenceMessage = NoticeReceived | ReferenceIssued | NoticeAssigned

# --- invoices: key is the invoice id


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRegistered:
    """A merchant is owed money."""

    terms: InvoiceTerms
    type: Literal["registered"] = "registered"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeMatched:
    """A notice reached the invoice that its reference belongs to."""

    merchant_id: MerchantId
    invoice_id: InvoiceId
    notice: Notice
    received_at: datetime
    assignment: Assignment | None = None
    type: Literal["notice"] = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested:
    """A merchant wants an invoice cancelled; `request_id` finds the answer."""

    merchant_id: MerchantId
    invoice_id: InvoiceId
    request_id: str
    type: Literal["cancel"] = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceDue:
    """A tick: the deadline of an invoice has come, by the clock of whoever watched for it.

    `at` is that clock's time. The log's own may be a moment behind it, before the deadline.
    """

    merchant_id: MerchantId
    invoice_id: InvoiceId
    at: datetime
    type: Literal["due"] = "due"


InvoiceMessage = InvoiceRegistered | NoticeMatched | CancelRequested | InvoiceDue

# --- notifications: key is the merchant id


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """What one event told the merchant, in order; there is one for each `source` at most.

    What is `about` an endpoint goes to the others, never to itself. `earlier` is what was told of
    the same invoice before, newest first: nothing may overtake it on its way to an endpoint.
    """

    merchant_id: MerchantId
    notifications: tuple[Notification, ...]
    about: EndpointId | None = None
    source: Source | None = None
    earlier: tuple[Told, ...] = ()
    type: Literal["notified"] = "notified"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSet:
    """An endpoint was registered or changed; also a row of the directory."""

    endpoint: Endpoint
    type: Literal["endpoint"] = "endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRemoved:
    """An endpoint was removed; what was pending for it is dropped."""

    merchant_id: MerchantId
    endpoint_id: EndpointId
    at: datetime
    type: Literal["endpoint_removed"] = "endpoint_removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptMade:
    """A lane tried to deliver; `fraction` is the jitter it drew for a possible retry.

    It holds all that the verdict depends on: a replay decides the same without the delivery's row.
    """

    merchant_id: MerchantId
    delivery_id: DeliveryId
    attempt: Attempt
    fraction: float
    first_attempt_at: datetime
    round: int = 0
    endpoint_id: EndpointId | None = None
    created_at: datetime | None = None
    """When the delivery was made; with its endpoint, what the merchant's list is kept by."""
    retry_seconds: tuple[int, ...] = ()
    """The endpoint's own schedule at the time of the attempt; empty is the standard one."""
    sequence: int = 0
    event_id: NotificationId | None = None
    tellings: int = 0
    """How often it had been answered 2xx and not been acknowledged before."""
    ack_seconds: int = 0
    """When an unacknowledged 2xx is told again; 0 where no acknowledgement is waited for."""
    type: Literal["attempt"] = "attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptsMade:
    """Successes of one moment and partition; the record has one of their merchants as its key."""

    merchant_id: MerchantId
    attempts: tuple[AttemptMade, ...]
    type: Literal["attempts"] = "attempts"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRequested:
    """A person wants a delivery made again, from its first attempt on."""

    delivery: Delivery
    type: Literal["resend"] = "resend"


class DropReason(StrEnum):
    """Why a delivery is not made."""

    ENDPOINT_REMOVED = "endpoint_removed"
    SUPERSEDED = "superseded"  # by a newer state of its invoice, as the endpoint wants it
    TOLD = "told"  # it was delivered before, and nobody waits for its acknowledgement any more


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDropped:
    """A delivery ends unmade, for a reason; says all that history needs."""

    merchant_id: MerchantId
    delivery_id: DeliveryId
    round: int
    at: datetime
    reason: DropReason = DropReason.ENDPOINT_REMOVED
    endpoint_id: EndpointId | None = None
    created_at: datetime | None = None
    sequence: int = 0
    type: Literal["dropped"] = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAcknowledged:
    """The merchant says that it has acted on an event; without an endpoint, for all of them.

    `told_at` is the time of the event, to the millisecond, which its deliveries are kept by.
    """

    merchant_id: MerchantId
    event_id: NotificationId
    told_at: datetime
    at: datetime
    endpoint_id: EndpointId | None = None
    released_at: datetime | None = None
    type: Literal["acknowledged"] = "acknowledged"


NotificationMessage = (
    Notified
    | EndpointSet
    | EndpointRemoved
    | AttemptMade
    | AttemptsMade
    | ResendRequested
    | DeliveryDropped
    | EventAcknowledged
)

# --- directory: key is the id; an empty value removes


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantSet:
    """A merchant and its policy."""

    merchant_id: MerchantId
    name: str
    release: ReleasePolicy
    grace_seconds: int
    created_at: datetime
    type: Literal["merchant"] = "merchant"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """An API key, kept only as a hash."""

    key_id: str
    merchant_id: MerchantId
    key_hash: str
    created_at: datetime
    type: Literal["key"] = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSet:
    """A channel account; the configuration is encrypted, the old one good until a time."""

    account_id: AccountId
    merchant_id: MerchantId
    channel: ChannelKind
    format: str
    sealed_config: str
    created_at: datetime
    previous_sealed_config: str | None = None
    previous_until: datetime | None = None
    type: Literal["account"] = "account"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSet:
    """What its attempts say of an endpoint, where it matters to a person.

    It has a key of its own, `health_key`: compaction keeps the last record of a key, so under the
    endpoint's it could take the place of what a person has just changed.
    """

    merchant_id: MerchantId
    endpoint_id: EndpointId
    health: Health
    type: Literal["health"] = "health"


DirectoryMessage = MerchantSet | KeySet | AccountSet | EndpointSet | HealthSet


def health_key(endpoint_id: EndpointId) -> str:
    """The key of an endpoint's health in the directory."""
    return f"{endpoint_id}:health"
