"""Invoices as history shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.history.cassandra.bridge import Rows
from connectors.history.cassandra.session import Session
from connectors.history.cassandra.walking import Listing, page
from connectors.history.cursors import time_and_id_in
from streams.domain.ids import InvoiceId, MerchantId
from streams.domain.ids import invoice_id as id_of_number
from streams.domain.invoice import InvoiceStatus
from streams.ports import InvoiceRow

LISTING = Listing(
    kind="invoices",
    table="invoices_by_day",
    owner="merchant_id",
    keys=("created_us", "invoice_id"),
    newest_first=True,
)
_INVOICE = (
    "SELECT invoice_id, merchant_id, version, status, shown, created_us FROM invoices"
    " WHERE invoice_id IN ?"
)
_STATUS = "SELECT invoice_id, status FROM invoices WHERE invoice_id IN ?"


async def invoice(
    session: Session, merchant_id: MerchantId, invoice_id: InvoiceId
) -> InvoiceRow | None:
    """One invoice of this merchant."""
    row = (await session.keyed(_INVOICE, [invoice_id])).get(invoice_id)
    return _invoice_row(row) if row is not None and row[1] == merchant_id else None


async def statuses(
    session: Session, invoice_ids: Sequence[InvoiceId]
) -> dict[InvoiceId, InvoiceStatus]:
    """The status of each invoice that is known."""
    found = await session.keyed(_STATUS, invoice_ids)
    return {InvoiceId(each): InvoiceStatus(row[1]) for each, row in found.items()}


async def invoices(
    session: Session,
    merchant_id: MerchantId,
    *,
    status: InvoiceStatus | None,
    invoice_number: str | None,
    after: str | None,
    limit: int,
) -> tuple[list[InvoiceRow], str | None]:
    """Newest registrations first."""
    if invoice_number is not None:
        if after is not None:
            time_and_id_in(after, LISTING.kind)
            return [], None  # a number has one invoice, which the first page showed
        row = await invoice(session, merchant_id, id_of_number(merchant_id, invoice_number))
        fits = row is not None and status in {None, row.status}
        return [row] if row is not None and fits else [], None

    async def shape(keys: Rows) -> list[InvoiceRow | None]:
        found = await session.keyed(_INVOICE, [invoice_id for _, invoice_id in keys])
        rows = [(found.get(invoice_id), created_us) for created_us, invoice_id in keys]
        return [
            _invoice_row(row)
            if row is not None and _is_true(row, created_us) and status in {None, row[3]}
            else None
            for row, created_us in rows
        ]

    filters = {} if status is None else {"status": str(status)}
    return await page(session, LISTING, merchant_id, filters, after=after, limit=limit, shape=shape)


def _is_true(row: Sequence[Any], created_us: int) -> bool:
    # A message of the log may have been stored before the registration said when it was made.
    return bool(row[5] == created_us)


def _invoice_row(row: Sequence[Any]) -> InvoiceRow:
    invoice_id, merchant_id, version, status, shown, _ = row
    return InvoiceRow(
        invoice_id=InvoiceId(invoice_id),
        merchant_id=MerchantId(merchant_id),
        version=version,
        status=InvoiceStatus(status),
        shown=shown,
    )
