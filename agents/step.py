"""What a step is: a plain function from one record to the records that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from streams.codecs import encode
from streams.domain.sequence import Source
from streams.ports import Place, Record
from streams.topics import Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One record as a step sees it.

    `now` is when the log took the record, never the worker's clock: a step that is made again
    after a crash must say the same again, byte for byte.
    """

    key: bytes
    value: bytes
    place: Place
    now: datetime
    traceparent: str = ""

    @property
    def source(self) -> str:
        """The record's identity: a replay has the same, a repeat by the channel another."""
        return f"{self.place.topic}/{self.place.partition}/{self.place.offset}"

    @property
    def origin(self) -> Source:
        """The record as what is told because of it names it."""
        place = self.place
        return Source(
            topic=place.topic, partition=place.partition, offset=place.offset, at=self.now
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a step wants published, in this order, and what it says of itself."""

    records: tuple[Record, ...] = ()
    outcome: str = "done"
    facts: Mapping[str, object] = field(default_factory=dict)


Step = Callable[[Envelope], Result]
"""Decide first, then write tables: a step that raises has changed nothing.

A step neither awaits nor asks for the time. `RemoteError` sends the record to quarantine; any
other exception stops the process before the record is acknowledged.
"""


def record(topic: Topic, key: str | bytes, message: object) -> Record:
    """A message as a record for a topic."""
    raw_key = key.encode() if isinstance(key, str) else key
    return Record(topic=topic.name, key=raw_key, value=encode(message))
