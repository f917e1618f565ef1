"""What travels on the topics of the log: one tagged union for each topic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from streams.domain.delivery import Attempt, Delivery, DeliveryStatus, Endpoint
from streams.domain.ids import (
    AccountId,
    DeliveryId,
    EndpointId,
    InvoiceId,
    MerchantId,
    NoticeId,
)
from streams.domain.invoice import Assignment, InvoiceStatus, InvoiceTerms, ReleasePolicy
from streams.domain.notice import ChannelKind, Notice
from streams.domain.notification import Notification
from streams.domain.settlement import Settlement

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
    """A tick: the deadline of an invoice has come."""

    merchant_id: MerchantId
    invoice_id: InvoiceId
    type: Literal["due"] = "due"


InvoiceMessage = InvoiceRegistered | NoticeMatched | CancelRequested | InvoiceDue

# --- notifications: key is the merchant id


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """What one event told the merchant, in order."""

    merchant_id: MerchantId
    notifications: tuple[Notification, ...]
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

    It holds all that the verdict depends on, so that a replay decides the same again even when
    the delivery's row is gone already.
    """

    merchant_id: MerchantId
    delivery_id: DeliveryId
    attempt: Attempt
    fraction: float
    first_attempt_at: datetime
    round: int = 0
    type: Literal["attempt"] = "attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRequested:
    """A person wants a delivery made again, from its first attempt on."""

    delivery: Delivery
    type: Literal["resend"] = "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDropped:
    """A delivery ends unmade, because its endpoint was removed; says all that history needs."""

    merchant_id: MerchantId
    delivery_id: DeliveryId
    round: int
    at: datetime
    type: Literal["dropped"] = "dropped"


NotificationMessage = (
    Notified | EndpointSet | EndpointRemoved | AttemptMade | ResendRequested | DeliveryDropped
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


DirectoryMessage = MerchantSet | KeySet | AccountSet | EndpointSet

# --- history and quarantine: keys are the merchant id and the notice id


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAccepted:
    """The raw notice, as it came, with the hash of its bytes (base64 and hexadecimal).

    A notice that says nothing about money (a number was issued, a card was checked) has
    `about_money` false; it is kept, and stands outside the law of accepted notices.
    """

    merchant_id: MerchantId
    account_id: AccountId
    notice_id: NoticeId
    format: str
    received_at: datetime
    raw_sha256: str
    raw_base64: str
    content_type: str = ""
    about_money: bool = True
    type: Literal["accepted"] = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeHeld:
    """A notice waits, because its reference is unknown."""

    merchant_id: MerchantId
    notice: Notice
    received_at: datetime
    settlement: Settlement
    notifications: tuple[Notification, ...]
    type: Literal["held"] = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRepeated:
    """A channel said again what it had said before."""

    merchant_id: MerchantId
    notice_id: NoticeId
    at: datetime
    type: Literal["repeated"] = "repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceChanged:
    """The invoice after one entry of its journal, with what was decided and told.

    `version` counts the entries; `shown` is the invoice as the API shows it, as JSON. A
    registration has version 0. A refused command changes nothing and says why in `refused`.
    """

    merchant_id: MerchantId
    invoice_id: InvoiceId
    version: int
    at: datetime
    invoice_number: str
    status: InvoiceStatus
    shown: str
    notice: Notice | None = None
    settlement: Settlement | None = None
    notifications: tuple[Notification, ...] = ()
    request_id: str | None = None
    refused: str | None = None
    type: Literal["invoice"] = "invoice"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesStarted:
    """Notifications on their way to the endpoints that want them."""

    merchant_id: MerchantId
    deliveries: tuple[Delivery, ...]
    type: Literal["deliveries"] = "deliveries"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempted:
    """An attempt and where the delivery stands after it."""

    merchant_id: MerchantId
    delivery_id: DeliveryId
    round: int
    status: DeliveryStatus
    at: datetime
    attempt: Attempt | None = None
    next_attempt_at: datetime | None = None
    reason: str | None = None
    type: Literal["attempted"] = "attempted"


HistoryMessage = (
    NoticeAccepted
    | NoticeHeld
    | NoticeRepeated
    | InvoiceChanged
    | DeliveriesStarted
    | DeliveryAttempted
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Something that cannot be used, with its reason and its raw bytes (base64).

    `topic` and `key` (base64) say where it was read from, or are empty when the edge could not read what
    a channel sent; `keshikomi quarantine retry` puts it back there.
    """

    quarantine_id: str
    at: datetime
    code: str
    reason: str
    raw_base64: str
    topic: str = ""
    key: str = ""
    merchant_id: MerchantId | None = None
    account_id: AccountId | None = None
    notice_id: NoticeId | None = None
    content_type: str = ""
    type: Literal["quarantined"] = "quarantined"
