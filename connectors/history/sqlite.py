"""The history port on one SQLite file, shared by the processes of one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from connectors.history import (
    acknowledgements,
    claims,
    counting,
    deliveries,
    feed,
    installations,
    lists,
    lookups,
    replays,
    retention,
    sequences,
    writes,
)
from connectors.history.schema import BUSY_TIMEOUT_MS, prepare_file
from connectors.history.sql import micros
from connectors.history.threads import Readers, Writer, engine_errors
from connectors.log.gate import Gate
from streams.counts import Counts
from streams.domain.acknowledging import Acknowledgement
from streams.domain.delivery import DeliveryStatus
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
from streams.happenings import NoticeAccepted
from streams.installations import Claim
from streams.ports import Archived, DeliveryRow, EventRow, InvoiceRow, QuarantineRow, WaitingRow
from streams.replays import DeliveryStanding, EventBody, ReplayRow
from streams.sequences import SequenceRow


class SqliteHistory:
    """`streams.ports.History`: each method hands its work to a thread beside the event loop."""

    def __init__(self, path: Path, *, busy_ms: int = BUSY_TIMEOUT_MS) -> None:
        with engine_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._gate = Gate(path.with_name(path.name + ".gate"))
            prepare_file(path, self._gate)
            self._writer = Writer(path, self._gate, busy_ms=busy_ms)
            self._readers = Readers(path)

    async def close(self) -> None:
        """Finish what was begun and let the file go."""
        await self._writer.close()
        await self._readers.close()
        self._gate.close()

    async def store(self, batch: Sequence[Archived]) -> None:
        await self._writer.write(writes.store, batch)

    async def register_invoice(
        self, terms: InvoiceTerms, *, content: str, shown: str
    ) -> InvoiceRow:
        registration = claims.registration_of(terms, content=content, shown=shown)
        return await self._writer.write(claims.register, registration)

    async def mark_retried(self, quarantine_id: str, at: datetime) -> None:
        await self._writer.write(writes.mark_retried, (quarantine_id, micros(at)))

    async def expire(self, before: datetime, *, part: int = 0, parts: int = 1) -> int:
        del part, parts  # indexes lead to all that is old: there is nothing to spread
        total = 0
        while removed := await self._writer.write(retention.expire_step, micros(before)):
            total += removed
        return total

    async def terms_of(self, invoice_id: InvoiceId) -> InvoiceTerms | None:
        return await self._readers.read(partial(lookups.terms_of, invoice_id=invoice_id))

    async def claimed_by(self, account_id: AccountId, reference: str) -> InvoiceId | None:
        return await self._readers.read(
            partial(lookups.claimed_by, account_id=account_id, reference=reference)
        )

    async def invoice(self, merchant_id: MerchantId, invoice_id: InvoiceId) -> InvoiceRow | None:
        return await self._readers.read(
            partial(lists.invoice, merchant_id=merchant_id, invoice_id=invoice_id)
        )

    async def invoices(
        self,
        merchant_id: MerchantId,
        *,
        status: InvoiceStatus | None,
        invoice_number: str | None,
        after: str | None,
        limit: int,
    ) -> tuple[Sequence[InvoiceRow], str | None]:
        return await self._readers.read(
            partial(
                lists.invoices,
                merchant_id=merchant_id,
                status=status,
                invoice_number=invoice_number,
                after=after,
                limit=limit,
            )
        )

    async def statuses(self, invoice_ids: Sequence[InvoiceId]) -> dict[InvoiceId, InvoiceStatus]:
        return await self._readers.read(partial(lookups.statuses, invoice_ids=invoice_ids))

    async def command(self, request_id: str) -> str | None:
        return await self._readers.read(partial(lookups.command, request_id=request_id))

    async def events(
        self, merchant_id: MerchantId, *, after: str | None, types: Sequence[str], limit: int
    ) -> tuple[Sequence[EventRow], str | None]:
        return await self._readers.read(
            partial(feed.events, merchant_id=merchant_id, after=after, types=types, limit=limit)
        )

    async def event(self, merchant_id: MerchantId, event_id: NotificationId) -> EventRow | None:
        return await self._readers.read(
            partial(feed.event, merchant_id=merchant_id, event_id=event_id)
        )

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
        return await self._readers.read(
            partial(
                deliveries.deliveries,
                merchant_id=merchant_id,
                endpoint_id=endpoint_id,
                event_id=event_id,
                status=status,
                after=after,
                limit=limit,
            )
        )

    async def delivery(
        self, merchant_id: MerchantId, delivery_id: DeliveryId
    ) -> DeliveryRow | None:
        return await self._readers.read(
            partial(deliveries.delivery, merchant_id=merchant_id, delivery_id=delivery_id)
        )

    async def sequence_range(
        self,
        merchant_id: MerchantId,
        endpoint_id: EndpointId,
        *,
        first: int,
        last: int,
        limit: int,
    ) -> Sequence[SequenceRow]:
        return await self._readers.read(
            partial(
                sequences.sequence_range,
                merchant_id=merchant_id,
                endpoint_id=endpoint_id,
                first=first,
                last=last,
                limit=limit,
            )
        )

    async def last_sequence(self, merchant_id: MerchantId, endpoint_id: EndpointId) -> int:
        return await self._readers.read(
            partial(sequences.last_sequence, merchant_id=merchant_id, endpoint_id=endpoint_id)
        )

    async def replay(self, merchant_id: MerchantId, replay_id: ReplayId) -> ReplayRow | None:
        return await self._readers.read(
            partial(replays.replay, merchant_id=merchant_id, replay_id=replay_id)
        )

    async def replays(
        self, merchant_id: MerchantId, endpoint_id: EndpointId, *, after: str | None, limit: int
    ) -> tuple[Sequence[ReplayRow], str | None]:
        return await self._readers.read(
            partial(
                replays.replays,
                merchant_id=merchant_id,
                endpoint_id=endpoint_id,
                after=after,
                limit=limit,
            )
        )

    async def running_replays(self) -> Sequence[tuple[MerchantId, ReplayId]]:
        return await self._readers.read(replays.running_replays)

    async def delivery_standings(
        self, delivery_ids: Sequence[DeliveryId]
    ) -> Mapping[DeliveryId, DeliveryStanding]:
        return await self._readers.read(
            partial(replays.delivery_standings, delivery_ids=delivery_ids)
        )

    async def event_bodies(
        self, merchant_id: MerchantId, event_ids: Sequence[NotificationId]
    ) -> Mapping[NotificationId, EventBody]:
        return await self._readers.read(
            partial(replays.event_bodies, merchant_id=merchant_id, event_ids=event_ids)
        )

    async def acknowledgement(
        self, event_id: NotificationId, endpoint_id: EndpointId | None
    ) -> Acknowledgement | None:
        look = partial(acknowledgements.acknowledgement, event_id=event_id, endpoint_id=endpoint_id)
        return await self._readers.read(look)

    async def unacknowledged(
        self,
        merchant_id: MerchantId,
        endpoint_id: EndpointId,
        *,
        before: datetime,
        after: str | None,
        limit: int,
    ) -> tuple[Sequence[DeliveryRow], str | None]:
        return await self._readers.read(
            partial(
                deliveries.unacknowledged,
                merchant_id=merchant_id,
                endpoint_id=endpoint_id,
                before_us=micros(before),
                after=after,
                limit=limit,
            )
        )

    async def unmatched(
        self, merchant_id: MerchantId, *, after: str | None, limit: int
    ) -> tuple[Sequence[WaitingRow], str | None]:
        return await self._readers.read(
            partial(lists.unmatched, merchant_id=merchant_id, after=after, limit=limit)
        )

    async def waiting_notice(
        self, merchant_id: MerchantId, notice_id: NoticeId
    ) -> WaitingRow | None:
        return await self._readers.read(
            partial(lists.waiting_notice, merchant_id=merchant_id, notice_id=notice_id)
        )

    async def has_notice(self, notice_id: NoticeId) -> bool:
        return self._readers.peek(partial(lookups.has_notice, notice_id=notice_id))

    async def raw_notice(self, notice_id: NoticeId) -> NoticeAccepted | None:
        return await self._readers.read(partial(lookups.raw_notice, notice_id=notice_id))

    async def quarantined(
        self, *, after: str | None, limit: int
    ) -> tuple[Sequence[QuarantineRow], str | None]:
        return await self._readers.read(partial(lists.quarantined, after=after, limit=limit))

    async def quarantine_row(self, quarantine_id: str) -> QuarantineRow | None:
        return await self._readers.read(partial(lists.quarantine_row, quarantine_id=quarantine_id))

    async def archived_to(self, topic: str, partition: int) -> tuple[int, datetime | None]:
        return await self._readers.read(
            partial(lookups.archived_to, topic=topic, partition=partition)
        )

    async def installation(self, claim: Claim | None = None) -> str:
        if claim is None:
            return await self._readers.read(installations.installation)
        return await self._writer.write(installations.claim, claim)

    async def counts(self, since: datetime | None = None) -> Counts:
        if since is None:
            return await self._readers.read(counting.counts)
        return await self._readers.read(partial(counting.counts_since, since_us=micros(since)))

    async def stalled(
        self, before: datetime, since: datetime | None = None
    ) -> dict[EndpointId, int]:
        since_us = micros(since) if since is not None else 0
        ask = partial(counting.stalled, before_us=micros(before), since_us=since_us)
        return await self._readers.read(ask)
