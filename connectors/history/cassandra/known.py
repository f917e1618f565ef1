"""How the deliveries of a batch stand, and where each is listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.history.cassandra import times
from connectors.history.cassandra.session import Session
from connectors.history.rows import Row

_STANDING = (
    "SELECT delivery_id, merchant_id, endpoint_id, event_id, event_type, created_us, sequence,"
    " status, writetime(status) FROM deliveries WHERE delivery_id IN ?"
)


@dataclass(slots=True)
class Delivery:
    """How a delivery stands; in lists once it is known when it was made and for which endpoint."""

    merchant_id: str = ""
    endpoint_id: str = ""
    event_id: str = ""
    event_type: str = ""
    created_us: int | None = None
    sequence: int = 0
    status: str = ""
    rank: int = -1

    def learn(self, row: Row) -> None:
        """Take in a row of the batch."""
        _, self.merchant_id, endpoint_id, event_id, event_type, created_us, started = row[:7]
        status, standing, _, _, _, sequence = row[7:]
        if endpoint_id:
            self.endpoint_id, self.created_us = endpoint_id, created_us
            self.event_id = self.event_id or event_id
            self.event_type = self.event_type or event_type
        self.sequence = self.sequence or sequence
        rank = times.of_standing(standing, started=bool(started))
        if rank > self.rank:
            self.status, self.rank = status, rank

    def recall(self, found: Row) -> None:
        """Take in what is stored, as far as the batch does not say it."""
        _, _, endpoint_id, event_id, event_type, created_us, sequence, status, rank = found
        self.endpoint_id = self.endpoint_id or endpoint_id
        self.event_id = self.event_id or event_id
        self.event_type = self.event_type or event_type
        self.created_us = created_us if self.created_us is None else self.created_us
        self.sequence = self.sequence or sequence or 0
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
    unknown = [
        each for each, known in said.items() if known.created_us is None or not known.sequence
    ]
    for delivery_id, found in (await session.keyed(_STANDING, unknown)).items():
        said[delivery_id].recall(found)
    return said
