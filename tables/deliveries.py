"""Deliveries that are not finished; a finished one leaves the table and stays in history."""

from __future__ import annotations

import faust

from streams.codecs import decode_delivery
from streams.domain.delivery import Delivery
from tables.table import TypedTable


def deliveries_table(app: faust.App, *, partitions: int) -> TypedTable[Delivery]:
    """Keyed by delivery id; written only while a record of its merchant is processed."""
    return TypedTable(app, "delivery-rows", decode=decode_delivery, partitions=partitions)
