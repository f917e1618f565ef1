"""A changelog that is cut while it is read, or does not come, keeps no worker waiting for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition  # type: ignore[import-untyped]  # it ships no types
from aiokafka.errors import (  # type: ignore[import-untyped]  # it ships no types
    KafkaTimeoutError,
    OffsetOutOfRangeError,
)

from connectors.kafka import replay
from connectors.kafka.replay import Changelog
from streams.domain.errors import Unavailable

PLACE = TopicPartition("changelog", 0)
SAID_END = 10


class CutLog:
    """A client for a log of which a part was lost after its end was asked for the first time.

    A real broker loses records only when its disk does.
    """

    def __init__(self, *, has: int, end: int | None) -> None:
        """Take how many records come, and the end as it is told later; None: it is not told."""
        self._has, self._end, self._position, self._asked = has, end, 0, 0

    async def beginning_offsets(self, _: object) -> Mapping[Any, int]:
        return {PLACE: 0}

    async def end_offsets(self, _: object) -> Mapping[Any, int]:
        self._asked += 1
        if self._asked == 1:
            return {PLACE: SAID_END}
        if self._end is None:
            raise KafkaTimeoutError
        return {PLACE: self._end}

    def assign(self, _: object) -> None:
        """There is one partition."""

    def seek(self, _: object, offset: int) -> None:
        self._position = offset

    def pause(self, _: object) -> None:
        """It is read no more."""

    async def position(self, _: object) -> int:
        return self._position

    async def getmany(self, *_: object, **__: object) -> Mapping[Any, Sequence[Any]]:
        if self._position >= self._has:
            return {}
        record = SimpleNamespace(key=b"k", value=b"v", offset=self._position)
        self._position += 1
        return {PLACE: [record]}


class BegunAnew(CutLog):
    """The log has nothing at the offset that is wanted."""

    async def getmany(self, *_: object, **__: object) -> Mapping[Any, Sequence[Any]]:
        raise OffsetOutOfRangeError({PLACE: self._position})


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "STILL_SECONDS", 0.001)
    monkeypatch.setattr(replay, "STILL_SECONDS_MAX", 0.05)


async def read(log: CutLog) -> tuple[Changelog, int]:
    changelog = await Changelog(log, "a cluster").measure(PLACE.topic, [PLACE.partition])
    return changelog, sum([len(chunk.rows) async for chunk in changelog.read({0: 0})])


@pytest.mark.timeout(10)
async def test_an_end_that_went_back_is_the_end(caplog: pytest.LogCaptureFixture) -> None:
    changelog, rows = await read(CutLog(has=4, end=4))

    assert (rows, changelog.ends) == (4, {0: 4})
    assert "changelog: partition 0 is read up to 4 of 10" in caplog.text
    assert "changelog: partition 0 ends at 4 now" in caplog.text


@pytest.mark.timeout(10)
async def test_what_was_read_and_is_lost_stops_the_reading() -> None:
    with pytest.raises(Unavailable, match="ends at 3: what was read is lost"):
        await read(CutLog(has=4, end=3))


@pytest.mark.timeout(10)
async def test_a_log_that_has_not_what_is_wanted_stops_the_reading() -> None:
    with pytest.raises(Unavailable, match="changelog was cut while it was read"):
        await read(BegunAnew(has=0, end=SAID_END))


@pytest.mark.timeout(10)
@pytest.mark.parametrize("end", [None, SAID_END], ids=["not-told", "as-it-was"])
async def test_a_log_that_does_not_come_ends_the_reading(end: int | None) -> None:
    with pytest.raises(Unavailable, match="is read up to 4 of 10, and nothing has come for"):
        await read(CutLog(has=4, end=end))
