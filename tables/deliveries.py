"""Deliveries that are not finished, and the counters that number them, in one table."""

from __future__ import annotations

import faust

from streams.codecs import decode_counter, decode_delivery
from tables.pending import Pending
from tables.table import TypedTable, rows_of

REMEMBERED_BYTES_MAX = 2 * 1024 * 1024
"""For each kind of row: a delivery is read again when it has been tried, a moment later."""


def deliveries_table(app: faust.App, *, partitions: int) -> Pending:
    """Written only while a record of its merchant is processed.

    One table, because its changelog then has both in the order in which they were written.
    """
    rows = rows_of(app, "delivery-rows", partitions=partitions)
    limit = REMEMBERED_BYTES_MAX
    deliveries = TypedTable(rows, decode=decode_delivery, remembered_bytes_max=limit)
    counters = TypedTable(rows, decode=decode_counter, remembered_bytes_max=limit)
    return Pending(deliveries, counters=counters)
