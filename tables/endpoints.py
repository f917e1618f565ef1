"""Webhook endpoints: all those of one merchant in one row."""

from __future__ import annotations

import faust

from streams.codecs import decode_endpoints
from streams.domain.delivery import Endpoint
from tables.table import TypedTable, rows_of


def endpoints_table(app: faust.App, *, partitions: int) -> TypedTable[tuple[Endpoint, ...]]:
    """Keyed by merchant id, like the topic `notifications`."""
    rows = rows_of(app, "endpoint-rows", partitions=partitions)
    return TypedTable(rows, decode=decode_endpoints)
