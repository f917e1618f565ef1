"""What the API answers: the types that OpenAPI shows and that every answer is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from streams.domain.acknowledging import AcknowledgedBy
from streams.domain.delivery import DeliveryStatus
from streams.domain.invoice import InvoiceStatus, ReleaseOn
from streams.domain.notice import ChannelKind, NoticeKind
from streams.domain.payment import PaymentState


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantShown:
    """A merchant with its first key, which is shown this once."""

    id: str
    name: str
    release_on: ReleaseOn
    release_on_confirmed_from_yen: int | None
    grace_seconds: int
    created_at: datetime
    key_id: str
    api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShown:
    """A further key of a merchant, shown this once."""

    id: str
    merchant_id: str
    created_at: datetime
    api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountShown:
    """A channel account; the secrets of its configuration are never given back."""

    id: str
    merchant_id: str
    channel: ChannelKind
    format: str
    config: dict[str, str]
    notice_path: str
    created_at: datetime
    previous_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreShown:
    """Where money was paid, in the channel's codes."""

    chain: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentShown:
    """One act of paying."""

    id: str
    channel: ChannelKind
    state: PaymentState
    amount_yen: int
    paid_at: datetime
    reference: str
    account_id: str
    store: StoreShown | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceShown:
    """A number that ties payments to the invoice; `channel` is there when we issued it."""

    account_id: str
    value: str
    channel: ChannelKind | None = None
    chain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerShown:
    """Who is billed."""

    name: str | None
    kana: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChangeShown:
    """A status that the invoice took, when, and what caused it."""

    status: InvoiceStatus
    at: datetime
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceShown:
    """An invoice with its payments and the history of its states."""

    id: str
    invoice_number: str
    status: InvoiceStatus
    amount_yen: int
    paid_yen: int
    preliminary_yen: int
    excess_yen: int
    balance_yen: int
    due_at: datetime
    customer: CustomerShown | None
    metadata: dict[str, str]
    payments: list[PaymentShown]
    references: list[ReferenceShown]
    created_at: datetime
    updated_at: datetime
    history: list[StatusChangeShown]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoicesPage:
    """A page of invoices, newest first."""

    data: list[InvoiceShown]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptShown:
    """One HTTP try; `status_code` is null when no answer came, `error` then says why.

    `address` is the IP address that was connected to, or tried last. The stages of `duration_ms`
    are null where they did not happen, as the first four with a kept connection; of a try without
    an answer the last one is where it failed. `first_byte_ms` goes from the connection to the
    head of the answer. `released_at` is what the answer said: the business acknowledgement.
    """

    number: int
    at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    answer: str
    address: str | None
    waiting_ms: int | None
    dns_ms: int | None
    connect_ms: int | None
    tls_ms: int | None
    first_byte_ms: int | None
    released_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PingShown:
    """What came of an `endpoint.ping`."""

    event_id: str
    delivered: bool
    attempt: AttemptShown


@dataclass(frozen=True, slots=True, kw_only=True)
class EventShown:
    """A notification in the feed.

    `payload` is the webhook's body without `sequence` and `previous_id`, which every endpoint has
    of its own.
    """

    id: str
    type: str
    invoice_id: str | None
    recorded_at: datetime
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """A page of the feed, oldest first.

    `next` is where to go on, also when there is nothing new yet. Before `complete_up_to` nothing
    more will come; it is null while nobody knows, as when the log cannot be asked.
    """

    data: list[EventShown]
    next: str | None
    complete_up_to: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryShown:
    """One notification on its way to one endpoint, with every attempt.

    `sequence` is its number among all deliveries to the endpoint; null is one of an older version.
    `cause` says why its present round was begun: the event, a resend, or the replay `replay_id`.
    `acknowledged_at` is when we heard that it was acted on, `acknowledged_by` how. One that is
    `delivered` and has a `next_attempt_at` is told again then unless it is acknowledged.
    """

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    status: DeliveryStatus
    sequence: int | None
    created_at: datetime
    next_attempt_at: datetime | None
    round: int
    cause: Literal["event", "resend", "replay"]
    replay_id: str | None
    acknowledged_at: datetime | None
    acknowledged_by: AcknowledgedBy | None
    attempts: list[AttemptShown]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesPage:
    """A page of deliveries, newest first."""

    data: list[DeliveryShown]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedShown:
    """A notice that waits for its invoice."""

    notice_id: str
    payment_id: str
    account_id: str
    channel: ChannelKind
    kind: NoticeKind
    reference: str
    amount_yen: int
    paid_at: datetime
    received_at: datetime
    store: StoreShown | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedPage:
    """A page of waiting notices, oldest first."""

    data: list[UnmatchedShown]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedShown:
    """A person's decision, and the invoice after it."""

    notice_id: str
    assigned_by: str
    reason: str
    invoice: InvoiceShown


@dataclass(frozen=True, slots=True, kw_only=True)
class FileShown:
    """A file that was taken: its notices, and how many of them were new."""

    file_id: str
    records: int
    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AliveShown:
    """The process answers."""

    status: Literal["ok"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyShown:
    """Whether notices can be accepted."""

    status: Literal["ready", "unavailable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyChecked:
    """Whether notices can be accepted, and the state of what that needs, for the operator."""

    status: Literal["ready", "unavailable"]
    checks: dict[str, str]


Document = Annotated[dict[str, Any], Field(description="An OpenAPI 3.1 document")]
