"""How many rows a second history takes, by itself: what the archiver can write at most."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from agents.archiving import BATCH_RECORDS_MAX
from agents.settling import settling
from agents.step import Envelope
from connectors.history.opening import open_history
from connectors.history.projecting import project
from loadtests.engines import ENGINES
from loadtests.open_invoices import ACCOUNT, REGISTERED, a_payment, an_invoice
from loadtests.report import Measured
from ops.cql.files import history_migrations
from streams.codecs import decode_archived
from streams.domain.delivery import Attempt, Delivery, DeliveryStatus
from streams.domain.ids import EndpointId, delivery_id
from streams.domain.invoice import Invoice
from streams.happenings import (
    DeliveriesStarted,
    DeliveryAttempted,
    HistoryMessage,
    InvoiceChanged,
    NoticeAccepted,
)
from streams.ports import Archived, Place
from streams.topics import HISTORY, INVOICES

ENDPOINT = EndpointId("ep_bench")
RETENTION_DAYS = 400
RAW_BYTES = 600


async def history_writes(engine: str, folder: Path, payments: int) -> Measured:
    """Store what the log says of payments, batch by batch, as the archiver does; in this folder."""
    batches = list(_batches(payments))
    rows = sum(_rows(batch) for batch in batches)
    with ENGINES[engine](folder / "engines") as engines:
        url = engines.environment.get("KESHIKOMI_HISTORY", f"sqlite://{folder / 'history.db'}")
        history = open_history(url, migrations=history_migrations(), retention_days=RETENTION_DAYS)
        try:
            await history.store(batches[0])  # connects, and makes the tables
            begun = time.perf_counter()
            for batch in batches[1:]:
                await history.store(batch)
            seconds = time.perf_counter() - begun
        finally:
            await history.close()
    written = rows - _rows(batches[0])
    return {
        "payments": payments,
        "rows": written,
        "rows_per_second": round(written / seconds),
        "payments_per_second": round(written / rows * payments / seconds),
    }


def _rows(batch: Sequence[Archived]) -> int:
    rows = project(batch)
    return sum(len(getattr(rows, each.name)) for each in fields(rows))


def _batches(payments: int) -> Iterator[list[Archived]]:
    messages = itertools.chain.from_iterable(map(_said_of, range(payments)))
    numbered = (
        Archived(
            message=message,
            place=Place(topic=HISTORY.name, partition=0, offset=offset),
            recorded_at=REGISTERED,
        )
        for offset, message in enumerate(messages)
    )
    while batch := list(itertools.islice(numbered, BATCH_RECORDS_MAX)):
        yield batch


def _said_of(number: int) -> list[HistoryMessage]:
    """From the acceptance of the notice that pays an invoice to the webhook that tells of it."""
    invoice = an_invoice(number)
    key, value = a_payment(number, 0)
    invoices: dict[bytes, Invoice] = {key: invoice}
    place = Place(topic=INVOICES.name, partition=0, offset=number)
    step = settling(invoices=invoices, watch=lambda *_: None)
    result = step(Envelope(key=key, value=value, place=place, now=REGISTERED))
    said = [decode_archived(each.value) for each in result.records if each.topic == HISTORY.name]
    changed = next(each for each in said if isinstance(each, InvoiceChanged))
    assert changed.notice is not None
    accepted = NoticeAccepted(
        merchant_id=changed.merchant_id,
        account_id=ACCOUNT,
        notice_id=changed.notice.notice_id,
        format="generic",
        received_at=REGISTERED,
        raw_sha256="0" * 64,
        raw_base64="A" * RAW_BYTES,
        content_type="application/json",
        about_money=True,
    )
    started = _started(changed)
    made = started.deliveries[0]
    attempted = DeliveryAttempted(
        merchant_id=made.merchant_id,
        delivery_id=made.delivery_id,
        round=0,
        status=DeliveryStatus.DELIVERED,
        at=REGISTERED,
        attempt=Attempt(number=1, at=REGISTERED, duration_ms=3, status_code=204),
        endpoint_id=made.endpoint_id,
        created_at=made.created_at,
    )
    return [accepted, changed, started, attempted]


def _started(changed: InvoiceChanged) -> DeliveriesStarted:
    told = changed.notifications[-1]
    delivery = Delivery(
        delivery_id=delivery_id(told.notification_id, ENDPOINT),
        endpoint_id=ENDPOINT,
        merchant_id=changed.merchant_id,
        notification_id=told.notification_id,
        notification_type=told.type,
        body="",
        created_at=REGISTERED,
        due_at=REGISTERED,
    )
    return DeliveriesStarted(merchant_id=changed.merchant_id, deliveries=(delivery,))
