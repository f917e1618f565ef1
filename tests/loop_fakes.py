"""Fakes of what drives a step: a stream of messages, the log's units, and what hears of results."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from faust.types import StreamT

from agents.loop import Agent, looped
from agents.step import Envelope, Result, Step
from streams.ports import Record
from tests.builders import NOW


@dataclass
class FakeMessage:
    value: bytes | None
    key: bytes | None = b"key"
    topic: str = "references"
    partition: int = 3
    offset: int = 7
    headers: Any = None
    timestamp: float = NOW.timestamp()
    generation_id: int = 1
    tracked: bool = False


@dataclass
class FakeEvent:
    message: FakeMessage
    is_acked: bool = False

    def ack(self) -> bool:
        self.is_acked = True
        return True


@dataclass
class FakeUnit:
    message: FakeMessage
    records: list[Record] = field(default_factory=list)

    def send(self, record: Record) -> None:
        self.records.append(record)


@dataclass
class FakeUnits:
    """Keeps the units that were left without an exception: outputs and position together."""

    queued: list[FakeUnit] = field(default_factory=list)
    asked_for_room: int = 0
    full: Exception | None = None

    @contextmanager
    def unit(self, message: FakeMessage) -> Iterator[FakeUnit]:
        unit = FakeUnit(message)
        yield unit
        self.queued.append(unit)

    async def room(self) -> None:
        self.asked_for_room += 1
        if self.full is not None:
            raise self.full


@dataclass
class Driven:
    """A loop over some messages, and what it said to the outside."""

    step: Step
    units: FakeUnits = field(default_factory=FakeUnits)
    stops: list[tuple[str, BaseException]] = field(default_factory=list)
    reports: list[tuple[str, Envelope, Result, float]] = field(default_factory=list)

    def agent(self) -> Agent:
        return looped(
            "resolving",
            self.step,
            units=lambda: cast("Any", self.units),
            report=lambda *said: self.reports.append(said),
            fail_stop=lambda *said: self.stops.append(said),
        )

    async def run(self, *messages: FakeMessage) -> Driven:
        await self.agent()(cast("StreamT[bytes]", FakeStream(messages)))
        return self


class FakeQueue(deque[FakeEvent]):
    def empty(self) -> bool:
        return not self

    def get_nowait(self) -> FakeEvent:
        return self.popleft()

    def qsize(self) -> int:
        return len(self)


@dataclass
class FakeApp:
    """What a stream's app knows: who is tracked, and whether partitions are on the move."""

    consumer_generation_id: int = 1
    is_active: bool = True
    tracked: list[FakeMessage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.flow_control = SimpleNamespace(is_active=lambda: self.is_active)
        self.topics = SimpleNamespace(acks_enabled_for=lambda _topic: True)
        self.consumer = SimpleNamespace(track_message=self.tracked.append)


@dataclass
class FakeStream:
    """Hands out messages as Faust does; `waiting` are behind the first one in its queue."""

    messages: tuple[FakeMessage, ...]
    waiting: tuple[FakeMessage, ...] = ()
    app: FakeApp = field(default_factory=FakeApp)
    enable_acks: bool = True
    current_event: FakeEvent | None = None
    seen_after: list[FakeEvent | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events = [FakeEvent(message) for message in self.waiting]
        self.channel = SimpleNamespace(queue=FakeQueue(self.events))

    def _set_current_event(self, event: FakeEvent) -> None:
        self.current_event = event

    async def __aiter__(self) -> AsyncIterator[bytes | None]:
        for message in self.messages:
            self.current_event = FakeEvent(message)
            yield message.value
            self.seen_after.append(self.current_event)


def saying(*records: Record, outcome: str = "done") -> Step:
    return lambda _envelope: Result(records=records, outcome=outcome)
