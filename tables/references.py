"""Payment references: which invoice each belongs to, or the notices that wait for it."""

from __future__ import annotations

import faust

from streams.codecs import decode_reference_row
from streams.domain.resolution import ReferenceRow
from tables.table import TypedTable, rows_of


def references_table(app: faust.App, *, partitions: int) -> TypedTable[ReferenceRow]:
    """Keyed by account id and reference, like the topic `references`."""
    rows = rows_of(app, "reference-rows", partitions=partitions)
    return TypedTable(rows, decode=decode_reference_row)
