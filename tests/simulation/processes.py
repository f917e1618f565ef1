"""The three steps as processes that can crash: their tables, their positions, their lanes."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any, TypeVar

from agents.loop import quarantine
from agents.step import Envelope, Step
from streams.codecs import encode
from streams.domain.delivery import Delivery, Endpoint, EndpointStatus
from streams.domain.errors import RemoteError
from streams.domain.ids import DeliveryId, EndpointId
from streams.ports import Place
from tests.simulation.fake_log import PARTITIONS, Durability, FakeLog, StepEffects

V = TypeVar("V")
W = TypeVar("W")


class LoggedTable(MutableMapping[bytes, V]):
    """A table whose rows are bytes and whose changes are kept for the changelog."""

    def __init__(self, log: FakeLog, name: str, decode: Callable[[bytes], V]) -> None:
        self._log, self.name, self._decode = log, name, decode
        self._rows: dict[bytes, bytes] = {}
        self._order: list[bytes] = []  # the keys as `some` gives them
        self.changes: list[tuple[str, bytes, bytes | None]] = []

    def view(self, decode: Callable[[bytes], W]) -> LoggedTable[W]:
        """The same rows, read as something else."""
        other = LoggedTable(self._log, self.name, decode)
        other._rows, other._order, other.changes = self._rows, self._order, self.changes
        return other

    def rebuild(self) -> None:
        self._rows.clear()
        self._rows.update(self._log.rows[self.name])
        self._order[:] = sorted(self._rows)
        self.changes.clear()

    def some(self, first: bytes, until: bytes, limit: int) -> list[tuple[bytes, V]]:
        begin, end = bisect_left(self._order, first), bisect_left(self._order, until)
        return [(key, self[key]) for key in self._order[begin : min(end, begin + limit)]]

    def __getitem__(self, key: bytes) -> V:
        return self._decode(self._rows[key])

    def __setitem__(self, key: bytes, value: V) -> None:
        if key not in self._rows:
            insort(self._order, key)
        self._rows[key] = encode(value)
        self.changes.append((self.name, key, self._rows[key]))

    def __delitem__(self, key: bytes) -> None:
        del self._rows[key]
        del self._order[bisect_left(self._order, key)]
        self.changes.append((self.name, key, None))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


@dataclass
class Process:
    """One stage: reads what is durable, and queues what its step wants to be durable."""

    topic: str
    step: Step
    log: FakeLog
    durability: Durability
    tables: tuple[LoggedTable[Any], ...]
    restarted: Callable[[], None] = lambda: None
    done: dict[int, int] = field(default_factory=dict)

    def restart(self) -> None:
        """Lose what was not durable, and begin again from what was."""
        self.durability.lose()
        for table in self.tables:
            table.rebuild()
        self.done = {p: self.log.positions[self.topic, p] for p in range(PARTITIONS)}
        self.restarted()

    def read_one(self, random: Random) -> bool:
        unread = [
            partition
            for partition in range(PARTITIONS)
            if self.done.get(partition, 0) < len(self.log.records[self.topic, partition])
        ]
        if not unread:
            return False
        partition = random.choice(unread)
        place = Place(topic=self.topic, partition=partition, offset=self.done.get(partition, 0))
        read = self.log.records[self.topic, partition][place.offset]
        recorded_at = self.log.times[self.topic, partition][place.offset]
        envelope = Envelope(key=read.key, value=read.value, place=place, now=recorded_at)
        self._process(envelope)
        self.done[partition] = place.offset + 1
        return True

    def _process(self, envelope: Envelope) -> None:
        try:
            result = self.step(envelope)
        except RemoteError as error:
            result = quarantine(envelope, error)
        changes = [change for table in self.tables for change in table.changes]
        for table in self.tables:
            table.changes.clear()
        effects = StepEffects(outputs=result.records, changes=changes, place=envelope.place)
        self.durability.queue(effects)


@dataclass
class FakeLanes:
    """Deliveries that wait to be made; one that is being made is not made beside itself."""

    is_pending: Callable[[str], bool]
    waiting: dict[DeliveryId, Delivery] = field(default_factory=dict)
    known: dict[DeliveryId, tuple[int, int]] = field(default_factory=dict)
    endpoints: dict[EndpointId, Endpoint] = field(default_factory=dict)

    def crash(self) -> None:
        self.waiting.clear()
        self.known.clear()
        self.endpoints.clear()

    def offer(self, delivery: Delivery) -> None:
        if delivery.after and self.is_pending(delivery.after):
            return
        version = (delivery.round, delivery.attempts)
        if self.known.get(delivery.delivery_id, (-1, -1)) < version:
            self.known[delivery.delivery_id] = version
            self.waiting[delivery.delivery_id] = delivery

    def follow(self, delivery: Delivery, ended: DeliveryId) -> None:
        assert ended not in self.waiting
        self.known.pop(delivery.delivery_id, None)
        self.offer(replace(delivery, after=""))

    def withdraw(self, delivery_id: DeliveryId) -> None:
        self.waiting.pop(delivery_id, None)
        self.known.pop(delivery_id, None)

    def set_endpoint(self, endpoint: Endpoint) -> None:
        self.endpoints[endpoint.endpoint_id] = endpoint

    def remove_endpoint(self, endpoint_id: EndpointId) -> None:
        self.endpoints.pop(endpoint_id, None)

    def due(self, now: datetime) -> list[Delivery]:
        return [
            delivery
            for delivery in self.waiting.values()
            if delivery.due_at <= now and self._is_enabled(delivery.endpoint_id)
        ]

    def next_due_at(self) -> datetime | None:
        times = [d.due_at for d in self.waiting.values() if self._is_enabled(d.endpoint_id)]
        return min(times, default=None)

    def _is_enabled(self, endpoint_id: EndpointId) -> bool:
        endpoint = self.endpoints.get(endpoint_id)
        return endpoint is not None and endpoint.effective_status is EndpointStatus.ENABLED
