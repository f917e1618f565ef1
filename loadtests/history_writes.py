"""How many rows a second history takes, by itself: what the archiver can write at most."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import orjson

from connectors.history.opening import open_history
from connectors.history.projecting import project
from loadtests.engines import ENGINES
from loadtests.open_invoices import ACCOUNT, REGISTERED, a_payment, an_invoice
from loadtests.report import Measured
from ops.cql.files import history_migrations
from streams.codecs import decode_invoice_message
from streams.domain.delivery import Attempt, Delivery, DeliveryStatus
from streams.domain.ids import EndpointId, MerchantId, delivery_id, notification_id
from streams.domain.invoice import NoticeApplied
from streams.domain.notification import Notification, NotificationType
from streams.domain.settlement import Changed, settle
from streams.happenings import (
    DeliveriesStarted,
    DeliveryAttempted,
    HistoryMessage,
    InvoiceChanged,
    NoticeAccepted,
)
from streams.messages import NoticeMatched
from streams.payloads import full_invoice_object, webhook_body, webhook_data
from streams.ports import Archived, Place
from streams.topics import HISTORY

ENDPOINT = EndpointId("ep_bench")
RETENTION_DAYS = 400
RAW_BYTES = 600
BATCH_RECORDS_MAX = 500
"""As many as the archiver stores at once."""


async def history_writes(engine: str, folder: Path, payments: int, merchants: int) -> Measured:
    """Store what the log says of payments, batch by batch, as the archiver does; in this folder.

    The payments are of so many merchants in turn.
    """
    batches = list(_batches(payments, merchants))
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


def _batches(payments: int, merchants: int) -> Iterator[list[Archived]]:
    owners = [MerchantId(f"mer_bench{number:04}") for number in range(merchants)]
    turns = zip(range(payments), itertools.cycle(owners), strict=False)
    messages = itertools.chain.from_iterable(itertools.starmap(_said_of, turns))
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


def _said_of(number: int, merchant_id: MerchantId) -> list[HistoryMessage]:
    """From the acceptance of the notice that pays an invoice to the webhook that tells of it."""
    changed = settled(number, merchant_id)
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
    started = _started(changed, number + 1)
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
        sequence=made.sequence,
    )
    return [accepted, changed, started, attempted]


def settled(number: int, merchant_id: MerchantId) -> InvoiceChanged:
    """What history is told of an invoice with this number that was paid in full."""
    invoice = an_invoice(number, merchant_id)
    _, value = a_payment(number, 0)
    matched = decode_invoice_message(value)
    assert isinstance(matched, NoticeMatched)
    applied = NoticeApplied(
        notice=matched.notice, received_at=REGISTERED, at=REGISTERED, source=f"invoices/0/{number}"
    )
    change = settle(invoice, applied)
    assert isinstance(change, Changed)
    terms, shown = invoice.terms, full_invoice_object(change.invoice, change.state)
    return InvoiceChanged(
        merchant_id=terms.merchant_id,
        invoice_id=terms.invoice_id,
        version=change.version,
        at=REGISTERED,
        invoice_number=terms.invoice_number,
        status=change.state.status,
        shown=orjson.dumps(shown).decode(),
        notice=matched.notice,
        settlement=change.settlement,
        notifications=tuple(_notification(kind, change, shown) for kind in change.told),
    )


def _notification(
    kind: NotificationType, change: Changed, shown: dict[str, object]
) -> Notification:
    data = webhook_data(
        at=REGISTERED,
        invoice=shown,
        payment=change.payment,
        settlement=change.settlement,
        notice=None,
        received_at=REGISTERED,
    )
    terms = change.invoice.terms
    return Notification(
        notification_id=notification_id(terms.invoice_id, kind),
        merchant_id=terms.merchant_id,
        type=kind,
        at=REGISTERED,
        invoice_id=terms.invoice_id,
        body=webhook_body(kind, at=REGISTERED, data=data),
    )


def _started(changed: InvoiceChanged, sequence: int) -> DeliveriesStarted:
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
        sequence=sequence,
    )
    return DeliveriesStarted(merchant_id=changed.merchant_id, deliveries=(delivery,))
