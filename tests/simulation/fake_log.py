"""A log in memory with two ways for a step's effects to become durable, and to be lost."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from random import Random
from typing import Protocol

from connectors.log.places import partition_of
from streams.ports import Place, Record

PARTITIONS = 2

Effect = Callable[[], None]


@dataclass
class FakeLog:
    """Only what is durable: records, the latest rows of the changelogs, committed positions."""

    clock: Callable[[], datetime]
    records: dict[tuple[str, int], list[Record]] = field(default_factory=lambda: defaultdict(list))
    times: dict[tuple[str, int], list[datetime]] = field(default_factory=lambda: defaultdict(list))
    rows: dict[str, dict[bytes, bytes]] = field(default_factory=lambda: defaultdict(dict))
    positions: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    @staticmethod
    def partition_of(record: Record) -> int:
        return partition_of(record.key, PARTITIONS)

    def append(self, records: Sequence[Record]) -> None:
        for record in records:
            partition = record.topic, self.partition_of(record)
            self.records[partition].append(record)
            self.times[partition].append(self.clock())

    def change(self, table: str, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.rows[table].pop(key, None)
        else:
            self.rows[table][key] = value

    def all(self, topic: str) -> list[Record]:
        return [
            record
            for partition in range(PARTITIONS)
            for record in self.records.get((topic, partition), ())
        ]


@dataclass(frozen=True)
class StepEffects:
    """What one step wants to be durable: outputs, table rows, and its place as done."""

    outputs: Sequence[Record]
    changes: Sequence[tuple[str, bytes, bytes | None]]
    place: Place

    def commit_position(self, log: FakeLog) -> None:
        log.positions[self.place.topic, self.place.partition] = self.place.offset + 1


class Durability(Protocol):
    """How effects that were queued become durable; `lose` is a crash."""

    def queue(self, effects: StepEffects) -> None: ...
    def harden_one(self, random: Random) -> bool: ...
    def lose(self) -> None: ...


class ExactlyOnce:
    """All effects of a step become durable together, one step after the other."""

    def __init__(self, log: FakeLog) -> None:
        self._log = log
        self._steps: deque[StepEffects] = deque()

    def queue(self, effects: StepEffects) -> None:
        self._steps.append(effects)

    def harden_one(self, random: Random) -> bool:
        if not self._steps:
            return False
        effects = self._steps.popleft()
        self._log.append(effects.outputs)
        for change in effects.changes:
            self._log.change(*change)
        effects.commit_position(self._log)
        return True

    def lose(self) -> None:
        self._steps.clear()


class AtLeastOnce:
    """Each topic and each changelog goes its own way, in order; a position waits for them all."""

    def __init__(self, log: FakeLog) -> None:
        self._log = log
        self._ways: dict[str, deque[tuple[int, Effect]]] = defaultdict(deque)
        self._positions: deque[tuple[int, Effect]] = deque()
        self._steps = 0

    def queue(self, effects: StepEffects) -> None:
        log, self._steps = self._log, self._steps + 1
        for output in effects.outputs:
            way = f"{output.topic}/{log.partition_of(output)}"
            self._ways[way].append((self._steps, partial(log.append, [output])))
        for change in effects.changes:
            self._ways[change[0]].append((self._steps, partial(log.change, *change)))
        self._positions.append((self._steps, partial(effects.commit_position, log)))

    def harden_one(self, random: Random) -> bool:
        ready = [way for way in self._ways.values() if way]
        oldest = min((way[0][0] for way in ready), default=self._steps + 1)
        if self._positions and self._positions[0][0] < oldest:
            ready.append(self._positions)
        if not ready:
            return False
        _, effect = random.choice(ready).popleft()
        effect()
        return True

    def lose(self) -> None:
        self._ways.clear()
        self._positions.clear()
