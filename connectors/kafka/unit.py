"""One step's effects on Kafka: sent together when its block ends well, taken back when not."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from aiokafka.structs import RecordMetadata  # type: ignore[import-untyped]  # it ships no types

from connectors.log.limits import must_fit
from streams.ports import Place, Record

if TYPE_CHECKING:
    from connectors.kafka.producer import Producer

Sent = Callable[[RecordMetadata], None]


class Outgoing(NamedTuple):
    """A record on its way to the broker, and who wants to know where it stands."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None
    headers: tuple[tuple[str, bytes], ...]
    sent: Sent | None = None


class Unit:
    """Everything sent while it is open leaves in one order, before the step's position can move.

    Nothing may be awaited inside. When the block is left by an exception nothing is sent and the
    table writes are taken back.
    """

    __slots__ = ("_producer", "outgoing", "undo")

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.outgoing: list[Outgoing] = []
        self.undo: list[Callable[[], None]] = []

    def send(self, record: Record) -> None:
        """Send a record when, and only when, the block ends well.

        Raises `OverLimit` for one that is more than the log takes.
        """
        must_fit((record,))
        self.outgoing.append(outgoing_of(record))

    def __enter__(self) -> Self:
        if self._producer.opened is not None:
            text = "a unit is open already: something was awaited inside it, or units are nested"
            raise RuntimeError(text)
        self._producer.opened = self
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._producer.opened = None
        if error_type is None:
            self._producer.enqueue(self.outgoing)
            return
        for undo in reversed(self.undo):
            undo()


def outgoing_of(record: Record, sent: Sent | None = None) -> Outgoing:
    """A record for the broker; its partition follows from its key."""
    # An empty value is how our topics say that a row is gone; Kafka's compaction wants none.
    return Outgoing(record.topic, record.key, record.value or None, None, record.headers, sent)


def place_of(metadata: RecordMetadata) -> Place:
    """Where the broker put a record."""
    return Place(topic=metadata.topic, partition=metadata.partition, offset=metadata.offset)
