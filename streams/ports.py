"""What the steps and the edges need from the outside world, as narrow types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from streams.acknowledgements import Acknowledgements
from streams.counts import Counted
from streams.domain.acknowledging import Acknowledgement
from streams.domain.delivery import Attempt, DeliveryStatus
from streams.domain.ids import (
    AccountId,
    DeliveryId,
    EndpointId,
    InvoiceId,
    MerchantId,
    NoticeId,
    NotificationId,
    ReplayId,
)
from streams.domain.invoice import InvoiceStatus, InvoiceTerms
from streams.domain.notice import Notice
from streams.happenings import HistoryMessage, NoticeAccepted, Quarantined
from streams.installations import Installed
from streams.replays import Replays
from streams.sequences import Sequences


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record for a topic of the log, before it has a place there."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a record stands in the log: the identity that a replay shares and a repeat does not."""

    topic: str
    partition: int
    offset: int

    @property
    def name(self) -> str:
        """The place as text; of two in a partition the later one sorts later."""
        return f"{self.topic}/{self.partition}/{self.offset:019d}"


class Appender(Protocol):
    """The write side of the log, as the API and the delivery lanes see it."""

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        """Append all records and return their places once they are durable.

        Raises `streams.domain.errors.Unavailable` when the log cannot take them; then none of
        them was accepted (on one file), or some may have been (on a broker), which is why every
        id is derived and a repeat is recognised. Raises `OverLimit`, and takes none of them, where
        one is more than the log takes as one record.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A record as it stands in the log; an absent value is a removal."""

    place: Place
    recorded_at: datetime
    key: bytes
    value: bytes | None


class Tail(Protocol):
    """The read side of the log for a process that follows a whole topic by itself."""

    async def fetch(self, topic: str, partition: int, offset: int, limit: int) -> Sequence[Fetched]:
        """Durable records from `offset` on, at most `limit`, in order; none when at the end."""
        ...

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will have."""
        ...

    async def wait(self, timeout_seconds: float) -> None:
        """Return when something may have been appended, or after the timeout."""
        ...

    async def untaken_since(self) -> datetime | None:
        """The log time of the oldest record that a step before history has yet to take."""
        ...

    def partition_of(self, topic: str, key: bytes) -> int:
        """The partition that holds a key."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """A message of history or quarantine, with its place and its time in the log."""

    message: HistoryMessage | Quarantined
    place: Place
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceRow:
    """An invoice as history knows it; `shown` is its JSON, `created`: this registration made it."""

    invoice_id: InvoiceId
    merchant_id: MerchantId
    version: int
    status: InvoiceStatus
    shown: str
    created: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """A notification in the pull feed; `cursor` is its place in the merchant's order."""

    cursor: str
    event_id: NotificationId
    type: str
    invoice_id: InvoiceId | None
    recorded_at: datetime
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery and its attempts, oldest first; a `sequence` of 0 is not known.

    `replay_id` is the replay that its present round is of.
    """

    cursor: str
    delivery_id: DeliveryId
    endpoint_id: EndpointId
    event_id: NotificationId
    event_type: str
    status: DeliveryStatus
    sequence: int
    created_at: datetime
    next_attempt_at: datetime | None
    round: int
    attempts: tuple[Attempt, ...]
    replay_id: ReplayId | None = None
    acknowledged: Acknowledgement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRow:
    """A notice that waits for its invoice."""

    cursor: str
    notice: Notice
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """Something unusable, kept; `retried_at` says that a person put it back."""

    cursor: str
    quarantined: Quarantined
    retried_at: datetime | None


class History(Sequences, Replays, Acknowledgements, Installed, Counted, Protocol):
    """Everything that happened, as rows; a projection of the log that can be rebuilt.

    Every write is idempotent: the same message again, or an older one, changes nothing.
    Every method raises `Unavailable` when the engine cannot be reached.
    """

    async def store(self, batch: Sequence[Archived]) -> None:
        """Project messages, all or none; durable when it returns."""
        ...

    async def register_invoice(
        self, terms: InvoiceTerms, *, content: str, shown: str
    ) -> InvoiceRow:
        """Claim the invoice number and every reference for these terms, all or none.

        The row of the first registration comes back when the number was registered before with
        the same `content` (a digest of what the merchant sent). Raises `Conflict` when its
        content was another, or when a reference is claimed by another invoice.
        """
        ...

    async def terms_of(self, invoice_id: InvoiceId) -> InvoiceTerms | None:
        """The registered terms, to publish a registration again."""
        ...

    async def claimed_by(self, account_id: AccountId, reference: str) -> InvoiceId | None:
        """Which invoice claimed a reference."""
        ...

    async def invoice(
        self, merchant_id: MerchantId, invoice_id: InvoiceId
    ) -> InvoiceRow | None: ...

    async def invoices(
        self,
        merchant_id: MerchantId,
        *,
        status: InvoiceStatus | None,
        invoice_number: str | None,
        after: str | None,
        limit: int,
    ) -> tuple[Sequence[InvoiceRow], str | None]:
        """Newest registrations first, with the cursor of the next page."""
        ...

    async def statuses(self, invoice_ids: Sequence[InvoiceId]) -> dict[InvoiceId, InvoiceStatus]:
        """The status of several invoices at once, for those who wait."""
        ...

    async def command(self, request_id: str) -> str | None:
        """Empty when the command took effect, the reason when it was refused, None when unknown."""
        ...

    async def events(
        self, merchant_id: MerchantId, *, after: str | None, types: Sequence[str], limit: int
    ) -> tuple[Sequence[EventRow], str | None]:
        """The merchant's feed, oldest first; `types` are patterns; the cursor goes on from here.

        The cursor is that of the last row looked at, so it is given also when no row fits.
        """
        ...

    async def event(self, merchant_id: MerchantId, event_id: NotificationId) -> EventRow | None: ...

    async def deliveries(
        self,
        merchant_id: MerchantId,
        *,
        endpoint_id: EndpointId | None,
        event_id: NotificationId | None,
        status: DeliveryStatus | None,
        after: str | None,
        limit: int,
    ) -> tuple[Sequence[DeliveryRow], str | None]:
        """Newest first."""
        ...

    async def delivery(
        self, merchant_id: MerchantId, delivery_id: DeliveryId
    ) -> DeliveryRow | None: ...

    async def unmatched(
        self, merchant_id: MerchantId, *, after: str | None, limit: int
    ) -> tuple[Sequence[WaitingRow], str | None]:
        """Notices that wait for an invoice, oldest first."""
        ...

    async def waiting_notice(
        self, merchant_id: MerchantId, notice_id: NoticeId
    ) -> WaitingRow | None: ...

    async def has_notice(self, notice_id: NoticeId) -> bool:
        """Whether this notice was heard before."""
        ...

    async def raw_notice(self, notice_id: NoticeId) -> NoticeAccepted | None:
        """The bytes as they came, with their hash."""
        ...

    async def quarantined(
        self, *, after: str | None, limit: int
    ) -> tuple[Sequence[QuarantineRow], str | None]:
        """What is in quarantine, oldest first."""
        ...

    async def quarantine_row(self, quarantine_id: str) -> QuarantineRow | None: ...

    async def mark_retried(self, quarantine_id: str, at: datetime) -> None:
        """A person put it back into the log."""
        ...

    async def archived_to(self, topic: str, partition: int) -> tuple[int, datetime | None]:
        """The offset after the last stored record of a partition, and that record's log time."""
        ...

    async def expire(self, before: datetime, *, part: int = 0, parts: int = 1) -> int:
        """Remove the older and finished, at least in one of equal parts; how many rows went."""
        ...
