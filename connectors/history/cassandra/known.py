"""What is stored already about the things of a batch, and how they stand with the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.history.cassandra import times
from connectors.history.cassandra.session import Session
from connectors.history.projecting import Row, Rows

_CREATED = "SELECT invoice_id, created_us FROM invoices WHERE invoice_id IN ?"
_STANDING = (
    "SELECT delivery_id, merchant_id, endpoint_id, event_id, created_us, status,"
    " writetime(status) FROM deliveries WHERE delivery_id IN ?"
)


@dataclass(slots=True)
class Delivery:
    """How a delivery stands; in lists once its start is known, which says when it was made."""

    merchant_id: str = ""
    endpoint_id: str = ""
    event_id: str = ""
    created_us: int | None = None
    status: str = ""
    rank: int = -1

    def learn(self, row: Row) -> None:
        """Take in a row of the batch."""
        _, merchant_id, endpoint_id, event_id, _, created_us, started, status, standing, *_ = row
        self.merchant_id = merchant_id
        if started and self.created_us is None:
            self.endpoint_id, self.event_id = endpoint_id, event_id
            self.created_us = created_us
        rank = times.of_standing(standing, started=bool(started))
        if rank > self.rank:
            self.status, self.rank = status, rank


@dataclass(frozen=True, slots=True)
class Known:
    """When invoices were made, for those that are known; deliveries as of after the batch.

    Lists are keyed by such times, which not every message has. Reading them is safe: a partition
    of the log is archived by one process, and what two of them write meets by its rank.
    """

    invoices: dict[str, int]
    deliveries: dict[str, Delivery]

    @classmethod
    async def of(cls, session: Session, batch: Sequence[Rows]) -> Known:
        invoices = sorted({row[0] for rows in batch for row in rows.invoices})
        deliveries = sorted({row[0] for row in _deliveries(batch)})
        made = await session.keyed(_CREATED, invoices)
        standing = await session.keyed(_STANDING, deliveries)
        known = cls({each: row[1] for each, row in made.items() if row[1] is not None}, {})
        for each in deliveries:
            known.deliveries[each] = (
                Delivery(*standing[each][1:]) if each in standing else Delivery()
            )
        for row in _deliveries(batch):
            known.deliveries[row[0]].learn(row)
        return known


def _deliveries(batch: Sequence[Rows]) -> Iterator[Row]:
    return (row for rows in batch for row in rows.deliveries)
