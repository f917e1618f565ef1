"""The archiving agent stores in batches, and acknowledges nothing that is not stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from faust.types import StreamT

from agents import archiving as module
from agents.archiving import BATCH_RECORDS_MAX, archiving
from streams import outages
from streams.codecs import encode
from streams.domain.errors import Unavailable
from streams.happenings import NoticeRepeated
from streams.ports import Archived
from tests.builders import MERCHANT, NOW, a_notice_id
from tests.loop_fakes import FakeMessage, FakeStream

REPEATED = encode(NoticeRepeated(merchant_id=MERCHANT, notice_id=a_notice_id(), at=NOW))


@dataclass
class Archive:
    """The agent over a stream, with what it stored and whom it told."""

    stream: FakeStream
    fault: Exception | None = None
    batches: list[list[int]] = field(default_factory=list)
    acked_at_store: list[bool] = field(default_factory=list)
    stops: list[BaseException] = field(default_factory=list)

    async def store(self, batch: Sequence[Archived]) -> None:
        self.acked_at_store += [event.is_acked for event in self.stream.events]
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.batches.append([each.place.offset for each in batch])

    async def run(self) -> None:
        agent = archiving(
            history=cast("Any", self),
            observe=lambda _batch: None,
            publish=_publish,
            on_outage=lambda _error, _seconds: None,
            fail_stop=lambda _stage, error: self.stops.append(error),
        )
        await agent(cast("StreamT[bytes]", self.stream))


def _publish(_subjects: Collection[str]) -> None:
    """Nobody waits."""


def messages(count: int, first: int = 0) -> tuple[FakeMessage, ...]:
    return tuple(FakeMessage(REPEATED, offset=first + n, topic="history") for n in range(count))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_WAIT_SECONDS", 0)
    monkeypatch.setattr(outages, "RETRY_SECONDS_MIN", 0)


async def test_what_waits_is_one_batch_and_is_acknowledged_once_it_is_stored() -> None:
    archive = Archive(FakeStream(messages(1), messages(3, first=1)))

    await archive.run()

    assert archive.batches == [[0, 1, 2, 3]]
    assert archive.acked_at_store == [False] * 3
    assert all(event.is_acked for event in archive.stream.events)
    assert not archive.stream.enable_acks, "Faust itself acknowledges nothing here"


async def test_a_batch_has_its_limit() -> None:
    archive = Archive(FakeStream(messages(2), messages(BATCH_RECORDS_MAX, first=2)))

    await archive.run()

    assert [len(batch) for batch in archive.batches] == [BATCH_RECORDS_MAX, 2]


async def test_a_batch_ends_with_the_record_that_fills_its_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES_MAX", 2 * len(REPEATED) + 1)
    archive = Archive(FakeStream(messages(2), messages(4, first=2)))

    await archive.run()

    assert archive.batches == [[0, 2, 3, 4], [1, 5]]
    assert all(event.is_acked for event in archive.stream.events)


async def test_history_that_is_away_is_waited_for() -> None:
    archive = Archive(FakeStream(messages(1)), fault=Unavailable("away"))

    await archive.run()

    assert archive.batches == [[0]]
    assert archive.stops == []


async def test_a_bug_stops_the_process_and_nothing_of_the_batch_is_acknowledged() -> None:
    archive = Archive(FakeStream(messages(1), messages(2, first=1)), fault=KeyError("bug"))

    with pytest.raises(KeyError):
        await archive.run()

    assert len(archive.stops) == 1
    assert not any(event.is_acked for event in archive.stream.events)
