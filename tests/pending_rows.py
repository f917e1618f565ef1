"""The table of pending deliveries as dicts, which is all that a step needs of it."""

from __future__ import annotations

from streams.domain.delivery import Delivery
from streams.domain.sequence import Counter
from tables.pending import Pending


class DeliveryDict(dict[bytes, Delivery]):
    """Deliveries by key, which can be read in the order of the keys."""

    def some(self, first: bytes, until: bytes, limit: int) -> list[tuple[bytes, Delivery]]:
        keys = sorted(key for key in self if first <= key < until)
        return [(key, self[key]) for key in keys[:limit]]


class PendingDicts(Pending):
    """Two dicts, in which a test may look."""

    def __init__(self) -> None:
        self.rows = DeliveryDict()
        self.counters: dict[bytes, Counter] = {}
        super().__init__(self.rows, counters=self.counters)
