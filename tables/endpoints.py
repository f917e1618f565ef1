"""Webhook endpoints: all those of one merchant in one row."""

from __future__ import annotations

import faust

from streams.codecs import decode_endpoints
from streams.domain.delivery import Endpoint
from tables.table import TypedTable, rows_of

REMEMBERED_BYTES_MAX = 4 * 1024 * 1024
"""A merchant's endpoints are read for each notification and for each attempt."""


def endpoints_table(app: faust.App, *, partitions: int) -> TypedTable[tuple[Endpoint, ...]]:
    """Keyed by merchant id, like the topic `notifications`."""
    rows = rows_of(app, "endpoint-rows", partitions=partitions)
    return TypedTable(rows, decode=decode_endpoints, remembered_bytes_max=REMEMBERED_BYTES_MAX)
