"""The history port on Apache Cassandra, shared by the processes of any number of machines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from connectors.history.cassandra import (
    acknowledgements,
    claims,
    counting,
    deliveries,
    feed,
    installations,
    invoices,
    lookups,
    notices,
    replays,
    retention,
    sequences,
    stalling,
    writing,
)
from connectors.history.cassandra.address import Address
from connectors.history.cassandra.gathered import Gathered
from connectors.history.cassandra.lives import difference, excess
from connectors.history.cassandra.migrating import check_version, migrate
from connectors.history.cassandra.registering import register
from connectors.history.cassandra.session import Session
from connectors.history.claims import registration_of
from connectors.history.migration import Migration
from connectors.history.sql import micros
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
from streams.ports import (
    Archived,
    DeliveryRow,
    EventRow,
    InvoiceRow,
    QuarantineRow,
    WaitingRow,
)
from streams.replays import DeliveryStanding, EventBody, ReplayRow
from streams.sequences import SequenceRow
from streams.topics import DAY_SECONDS

logger = logging.getLogger("keshikomi")


class CassandraHistory:
    """`streams.ports.History`: connects at the first call, and again when the cluster is back."""

    def __init__(
        self, address: Address, *, migrations: Sequence[Migration], retention_days: int
    ) -> None:
        """Take the address; with migrations, those that are missing are applied at first.

        `retention_days` is for the tables whose rows go by their age alone; 0 keeps them. Tables
        that are there keep their own, and so does what `expire` goes through.
        """
        self._address, self._migrations = address, migrations
        self._ttl_seconds = retention_days * DAY_SECONDS
        self._excess_seconds: int | None = 0
        self._session = Session(
            address, self._migrate if migrations else partial(check_version, address=address)
        )
        self._stretches = writing.Stretches()
        self._heard = Gathered(partial(notices.known, self._session))
        # One batch after the other: what is stored is complete up to where it ends.
        self._storing = asyncio.Lock()

    def _migrate(self, session: Any) -> None:
        wanted = self._ttl_seconds
        lives = migrate(session, self._address, self._migrations, ttl_seconds=wanted)
        self._excess_seconds = excess(lives, wanted)
        if lives != {wanted}:
            told = difference(self._address.keyspace, lives, wanted)
            logger.warning("history: %s; `keshikomi setup` alters it, and nothing else does", told)

    async def close(self) -> None:
        """Finish what is being stored and leave the cluster."""
        async with self._storing:
            await self._session.close()

    async def store(self, batch: Sequence[Archived]) -> None:
        async with self._storing:
            await writing.store(self._session, self._stretches, batch)

    async def register_invoice(
        self, terms: InvoiceTerms, *, content: str, shown: str
    ) -> InvoiceRow:
        registration = registration_of(terms, content=content, shown=shown)
        return await register(self._session, self._stretches, registration)

    async def terms_of(self, invoice_id: InvoiceId) -> InvoiceTerms | None:
        return await claims.terms_of(self._session, invoice_id)

    async def claimed_by(self, account_id: AccountId, reference: str) -> InvoiceId | None:
        return await claims.claimed_by(self._session, account_id, reference)

    async def invoice(self, merchant_id: MerchantId, invoice_id: InvoiceId) -> InvoiceRow | None:
        return await invoices.invoice(self._session, merchant_id, invoice_id)

    async def invoices(
        self,
        merchant_id: MerchantId,
        *,
        status: InvoiceStatus | None,
        invoice_number: str | None,
        after: str | None,
        limit: int,
    ) -> tuple[Sequence[InvoiceRow], str | None]:
        return await invoices.invoices(
            self._session,
            merchant_id,
            status=status,
            invoice_number=invoice_number,
            after=after,
            limit=limit,
        )

    async def statuses(self, invoice_ids: Sequence[InvoiceId]) -> dict[InvoiceId, InvoiceStatus]:
        return await invoices.statuses(self._session, invoice_ids)

    async def command(self, request_id: str) -> str | None:
        return await lookups.command(self._session, request_id)

    async def events(
        self, merchant_id: MerchantId, *, after: str | None, types: Sequence[str], limit: int
    ) -> tuple[Sequence[EventRow], str | None]:
        return await feed.events(self._session, merchant_id, after=after, types=types, limit=limit)

    async def event(self, merchant_id: MerchantId, event_id: NotificationId) -> EventRow | None:
        return await feed.event(self._session, merchant_id, event_id)

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
        return await deliveries.deliveries(
            self._session,
            merchant_id,
            endpoint_id=endpoint_id,
            event_id=event_id,
            status=status,
            after=after,
            limit=limit,
        )

    async def delivery(
        self, merchant_id: MerchantId, delivery_id: DeliveryId
    ) -> DeliveryRow | None:
        return await deliveries.delivery(self._session, merchant_id, delivery_id)

    async def sequence_range(
        self,
        merchant_id: MerchantId,
        endpoint_id: EndpointId,
        *,
        first: int,
        last: int,
        limit: int,
    ) -> Sequence[SequenceRow]:
        return await sequences.sequence_range(
            self._session, merchant_id, endpoint_id, first=first, last=last, limit=limit
        )

    async def last_sequence(self, merchant_id: MerchantId, endpoint_id: EndpointId) -> int:
        return await sequences.last_sequence(self._session, merchant_id, endpoint_id)

    async def replay(self, merchant_id: MerchantId, replay_id: ReplayId) -> ReplayRow | None:
        return await replays.replay(self._session, merchant_id, replay_id)

    async def replays(
        self, merchant_id: MerchantId, endpoint_id: EndpointId, *, after: str | None, limit: int
    ) -> tuple[Sequence[ReplayRow], str | None]:
        return await replays.replays(
            self._session, merchant_id, endpoint_id, after=after, limit=limit
        )

    async def running_replays(self) -> Sequence[tuple[MerchantId, ReplayId]]:
        return await replays.running_replays(self._session)

    async def delivery_standings(
        self, delivery_ids: Sequence[DeliveryId]
    ) -> Mapping[DeliveryId, DeliveryStanding]:
        return await replays.delivery_standings(self._session, delivery_ids)

    async def event_bodies(
        self, merchant_id: MerchantId, event_ids: Sequence[NotificationId]
    ) -> Mapping[NotificationId, EventBody]:
        return await feed.event_bodies(self._session, merchant_id, event_ids)

    async def acknowledgement(
        self, event_id: NotificationId, endpoint_id: EndpointId | None
    ) -> Acknowledgement | None:
        return await acknowledgements.acknowledgement(self._session, event_id, endpoint_id)

    async def unacknowledged(
        self,
        merchant_id: MerchantId,
        endpoint_id: EndpointId,
        *,
        before: datetime,
        after: str | None,
        limit: int,
    ) -> tuple[Sequence[DeliveryRow], str | None]:
        return await deliveries.unacknowledged(
            self._session, merchant_id, endpoint_id, before=before, after=after, limit=limit
        )

    async def unmatched(
        self, merchant_id: MerchantId, *, after: str | None, limit: int
    ) -> tuple[Sequence[WaitingRow], str | None]:
        return await notices.unmatched(self._session, merchant_id, after=after, limit=limit)

    async def waiting_notice(
        self, merchant_id: MerchantId, notice_id: NoticeId
    ) -> WaitingRow | None:
        return await notices.waiting_notice(self._session, merchant_id, notice_id)

    async def has_notice(self, notice_id: NoticeId) -> bool:
        return await self._heard.has(notice_id)

    async def raw_notice(self, notice_id: NoticeId) -> NoticeAccepted | None:
        return await notices.raw_notice(self._session, notice_id)

    async def quarantined(
        self, *, after: str | None, limit: int
    ) -> tuple[Sequence[QuarantineRow], str | None]:
        return await notices.quarantined(self._session, after=after, limit=limit)

    async def quarantine_row(self, quarantine_id: str) -> QuarantineRow | None:
        return await notices.quarantine_row(self._session, quarantine_id)

    async def mark_retried(self, quarantine_id: str, at: datetime) -> None:
        await notices.mark_retried(self._session, quarantine_id, at)

    async def archived_to(self, topic: str, partition: int) -> tuple[int, datetime | None]:
        return await lookups.archived_to(self._session, topic, partition)

    async def installation(self, claim: Claim | None = None) -> str:
        return await installations.installation(self._session, claim)

    async def counts(self, since: datetime | None = None) -> Counts:
        return await counting.counts(self._session, micros(since) if since is not None else None)

    async def stalled(
        self, before: datetime, since: datetime | None = None
    ) -> dict[EndpointId, int]:
        since_us = micros(since) if since is not None else None
        return await stalling.stalled(self._session, micros(before), since_us)

    async def expire(self, before: datetime, *, part: int = 0, parts: int = 1) -> int:
        if (excess_seconds := self._excess_seconds) is None:
            return 0
        before -= timedelta(seconds=excess_seconds)
        return await retention.expire(self._session, micros(before), part=part, parts=parts)
