"""What happened, as it travels to the archive: one tagged union for history, and quarantine.

Keys are the merchant id in `history` and the quarantine id in `quarantine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from streams.domain.delivery import Attempt, Delivery, DeliveryStatus
from streams.domain.ids import (
    AccountId,
    DeliveryId,
    EndpointId,
    InvoiceId,
    MerchantId,
    NoticeId,
    NotificationId,
)
from streams.domain.invoice import InvoiceStatus
from streams.domain.notice import Notice
from streams.domain.notification import Notification
from streams.domain.settlement import Settlement
from streams.replays import ReplayAdvanced, ReplayEnded, ReplayRequested, ReplayTaken


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
    """Notifications on their way to the endpoints that want them; without their bodies.

    A `sequence` of 0 is one that is not known here: another event of the delivery has it.
    """

    merchant_id: MerchantId
    deliveries: tuple[Delivery, ...]
    type: Literal["deliveries"] = "deliveries"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempted:
    """An attempt and where the delivery stands after it.

    With its endpoint and the time at which it was made nobody has to look up where it is listed.
    """

    merchant_id: MerchantId
    delivery_id: DeliveryId
    round: int
    status: DeliveryStatus
    at: datetime
    attempt: Attempt | None = None
    next_attempt_at: datetime | None = None
    reason: str | None = None
    endpoint_id: EndpointId | None = None
    created_at: datetime | None = None
    sequence: int = 0
    event_id: NotificationId | None = None
    is_unacknowledged: bool = False
    """Whether it was answered 2xx without the acknowledgement that its endpoint has to give."""
    type: Literal["attempted"] = "attempted"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointTold:
    """What the merchant was told of one of its endpoints."""

    merchant_id: MerchantId
    notifications: tuple[Notification, ...]
    type: Literal["endpoint_told"] = "endpoint_told"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementTaken:
    """The merchant acknowledged an event by a call; without an endpoint, for all of them.

    `asking_ids` are the endpoints whose unacknowledged deliveries it may end.
    """

    merchant_id: MerchantId
    event_id: NotificationId
    told_at: datetime
    at: datetime
    endpoint_id: EndpointId | None = None
    released_at: datetime | None = None
    asking_ids: tuple[EndpointId, ...] = ()
    type: Literal["acknowledgement"] = "acknowledgement"


HistoryMessage = (
    NoticeAccepted
    | NoticeHeld
    | NoticeRepeated
    | InvoiceChanged
    | DeliveriesStarted
    | DeliveryAttempted
    | EndpointTold
    | ReplayRequested
    | ReplayTaken
    | ReplayAdvanced
    | ReplayEnded
    | AcknowledgementTaken
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Something that cannot be used, with its reason and its raw bytes (base64).

    `topic` and `key` (base64) say where it was read from, or are empty when the edge could not
    read what a channel sent; `keshikomi quarantine retry` puts it back there.
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
    whole_bytes: int | None = None
    """The size of a record of which only the beginning is here."""
    type: Literal["quarantined"] = "quarantined"
