"""Invoices with their journals."""

from __future__ import annotations

import faust

from streams.codecs import decode_invoice
from streams.domain.invoice import Invoice
from tables.table import TypedTable, rows_of


def invoices_table(app: faust.App, *, partitions: int) -> TypedTable[Invoice]:
    """Keyed by invoice id, like the topic `invoices`."""
    rows = rows_of(app, "invoice-rows", partitions=partitions)
    return TypedTable(rows, decode=decode_invoice)
