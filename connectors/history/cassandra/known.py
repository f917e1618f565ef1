"""How the deliveries of a batch stand, and where each is listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.history.cassandra import times
from connectors.history.cassandra.session import Session
from connectors.history.projecting import Row

_STANDING = (
    "SELECT delivery_id, merchant_id, endpoint_id, event_id, created_us, status,"
    " writetime(status) FROM deliveries WHERE delivery_id IN ?"
)


@dataclass(slots=True)
class Delivery:
    """How a delivery stands; in lists once it is known when it was made and for which endpoint."""

    merchant_id: str = ""
    endpoint_id: str = ""
    event_id: str = ""
    created_us: int | None = None
    status: str = ""
    rank: int = -1

    def learn(self, row: Row) -> None:
        """Take in a row of the batch."""
        _, self.merchant_id, endpoint_id, event_id, _, created_us, started, status, standing, *_ = (
            row
        )
        if endpoint_id:
            self.endpoint_id, self.created_us = endpoint_id, created_us
            self.event_id = self.event_id or event_id
        rank = times.of_standing(standing, started=bool(started))
        if rank > self.rank:
            self.status, self.rank = status, rank


async def standings(session: Session, rows: Sequence[Row]) -> dict[str, Delivery]:
    """The deliveries of a batch, by id, as of after it.

    What the batch does not say of one, as older messages do not, is read. That is safe: a
    partition of the log is archived by one process, and what two of them write meets by its rank.
    """
    said: dict[str, Delivery] = {}
    for row in rows:
        said.setdefault(row[0], Delivery()).learn(row)
    unknown = [each for each, delivery in said.items() if delivery.created_us is None]
    for delivery_id, found in (await session.keyed(_STANDING, unknown)).items():
        delivery = said[delivery_id]
        _, _, delivery.endpoint_id, delivery.event_id, delivery.created_us, status, rank = found
        if rank > delivery.rank:
            delivery.status, delivery.rank = status, rank
    return said
