"""A registration as a caller sees it: the claim, then the invoice's row in history."""

from __future__ import annotations

from dataclasses import replace

from connectors.history.cassandra import times
from connectors.history.cassandra.claims import Attempt, attempt_of, claim
from connectors.history.cassandra.invoices import invoice
from connectors.history.cassandra.session import Session
from connectors.history.cassandra.writing import Stretches, invoice_by_day
from connectors.history.claims import Registration
from streams.domain.ids import InvoiceId, MerchantId
from streams.ports import InvoiceRow

_SHOW = (
    "BEGIN UNLOGGED BATCH"
    " INSERT INTO invoices (invoice_id, merchant_id, version, status, shown)"
    " VALUES (?, ?, 0, ?, ?) USING TIMESTAMP ?;"
    " INSERT INTO invoices (invoice_id, created_us) VALUES (?, ?) USING TIMESTAMP ?;"
    " APPLY BATCH"
)
"""One row, whose values have two ranks."""
_IS_SHOWN = "SELECT writetime(created_us) FROM invoices WHERE invoice_id = ?"


async def register(session: Session, stretches: Stretches, wanted: Registration) -> InvoiceRow:
    """Claim and show; a registration whose process died before it was shown is shown now."""
    registered, is_new = await claim(session, attempt_of(wanted))
    shown = None if is_new else await session.one(_IS_SHOWN, registered.invoice_id)
    if shown is None or shown[0] != times.REGISTERED:
        row = await _show(session, stretches, registered)
    else:
        row = await _row(session, registered)
    return replace(row, created=is_new)


async def _show(session: Session, stretches: Stretches, registered: Attempt) -> InvoiceRow:
    identity = registered.invoice_id, registered.merchant_id
    rank = times.of_version(0, registered=True)
    said = *identity, registered.status, registered.shown, rank
    made = registered.invoice_id, registered.created_us, times.REGISTERED
    await session.rows(_SHOW, *said, *made)
    # The log may have said more before: the list shows how the invoice stands, and since when.
    row = await _row(session, registered)
    rank = max(times.of_version(row.version), rank)
    wanted: set[tuple[str, str, int]] = set()
    listed = invoice_by_day(
        registered.merchant_id,
        registered.created_us,
        registered.invoice_id,
        status=row.status,
        rank=rank,
        wanted=wanted,
    )
    await session.many([*stretches.missing(wanted), listed])
    stretches.written(wanted)
    return row


async def _row(session: Session, registered: Attempt) -> InvoiceRow:
    merchant_id = MerchantId(registered.merchant_id)
    row = await invoice(session, merchant_id, InvoiceId(registered.invoice_id))
    assert row is not None
    return row
