"""Deliveries that are not finished, as the notifying step writes them and the lanes read them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Protocol

from streams.domain.delivery import Delivery
from streams.domain.ids import EndpointId
from streams.domain.sequence import Counter

NOBODY = Counter()


class DeliveryRows(Protocol):
    """The table's rows of deliveries, which can be read in the order of their keys."""

    def get(self, key: bytes, /) -> Delivery | None: ...
    def __setitem__(self, key: bytes, value: Delivery, /) -> None: ...
    def __delitem__(self, key: bytes, /) -> None: ...
    def some(self, first: bytes, until: bytes, limit: int) -> list[tuple[bytes, Delivery]]: ...


class Pending:
    """Both kinds of rows of one table: deliveries by `Delivery.key`, counters by their endpoint."""

    def __init__(self, rows: DeliveryRows, *, counters: MutableMapping[bytes, Counter]) -> None:
        self._rows, self._counters = rows, counters

    def get(self, key: str) -> Delivery | None:
        """A delivery that is not finished."""
        return self._rows.get(key.encode())

    def put(self, delivery: Delivery) -> None:
        """Write a delivery under its key."""
        self._rows[delivery.key.encode()] = delivery

    def remove(self, delivery: Delivery) -> None:
        """A delivery is finished; its number is not given again."""
        del self._rows[delivery.key.encode()]

    def of(self, endpoint_id: EndpointId, *, after: str = "", limit: int) -> list[Delivery]:
        """Up to `limit` deliveries of an endpoint, the earliest first; none at the end.

        `after` is the key of the last one that is known already.
        """
        first = f"{after}\x00" if after else f"{endpoint_id}/"
        until = f"{endpoint_id}0"  # the character after the slash
        found = self._rows.some(first.encode(), until.encode(), limit)
        return [delivery for _, delivery in found]

    def counter(self, endpoint_id: EndpointId) -> Counter:
        """How far an endpoint's deliveries are numbered."""
        return self._counters.get(_counter_key(endpoint_id), NOBODY)

    def count(self, endpoint_id: EndpointId, counter: Counter) -> None:
        """Write a counter, after what it counts."""
        self._counters[_counter_key(endpoint_id)] = counter

    def forget_counter(self, endpoint_id: EndpointId) -> None:
        """The endpoint is no more; its id is never given again."""
        self._counters.pop(_counter_key(endpoint_id), None)


def _counter_key(endpoint_id: EndpointId) -> bytes:
    return f"#{endpoint_id}".encode()
