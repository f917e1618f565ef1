"""What a process has committed is handed out from memory, and nothing else is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import faust
import pytest

from connectors.kafka.recovery import QuickTables
from connectors.log import doorbell, heard
from connectors.log.elements import Element
from connectors.log.heard import Heard, by_partition, in_line
from connectors.log.reader import Stored
from connectors.log.sqlitelog import SqliteLog
from connectors.log.taking import Taking
from connectors.log.transport import register
from tests.conftest import Eventually
from tests.log_helpers import a_log, a_record

BUFFER = 8
"""So many records wait for the agent; the partition of more is passed over until it has room."""


def an_element(*offsets: int, partition_id: int = 1, size_bytes: int = 1) -> Element:
    return Element(
        rows=[(partition_id, b"k", b"%d" % offset, None) for offset in offsets],
        size_bytes=size_bytes,
        offsets=[*offsets],
        timestamps_ms=[offset * 10 for offset in offsets],
    )


def stored(*offsets: int) -> list[Stored]:
    return [Stored(offset, offset * 10, b"k", b"%d" % offset, None) for offset in offsets]


# --- what is kept


def test_what_came_is_taken_once_and_in_order() -> None:
    kept = Heard()
    first, second = an_element(0), an_element(1, 2)

    kept.add([first, Element(positions=[("group", 1, 1)])])
    kept.add([second])

    assert kept.take() == [first, second]
    assert kept.take() == []


@pytest.mark.parametrize("name", ["ELEMENTS_MAX", "BYTES_MAX"])
def test_what_is_too_much_is_not_kept_but_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard, name, 3)
    kept = Heard()
    for offset in range(4):
        kept.add([an_element(offset)])

    assert kept.take() is None, "one of them is in the file only"
    kept.add([an_element(4)])
    taken = kept.take()
    assert taken is not None
    assert [element.offsets for element in taken] == [[4]]


def test_records_come_as_the_file_would_give_them() -> None:
    elements = [
        an_element(0, 1),
        an_element(7, partition_id=2),
        an_element(2),
        an_element(5, partition_id=3),
    ]

    assert by_partition(elements, {1, 2}) == {1: stored(0, 1, 2), 2: stored(7)}


@pytest.mark.parametrize(
    ("offsets", "next_offset", "wanted"),
    [
        ((3, 4, 5), 3, (3, 4, 5)),
        ((3, 4, 5), 5, (5,)),  # the others were read from the file
        ((3, 4, 5), 6, ()),
        ((3, 5), 3, None),  # another process wrote between them
        ((3, 4), 2, None),  # and before them
        ((3, 5), 4, None),
    ],
)
def test_only_what_follows_without_a_gap_is_in_line(
    offsets: tuple[int, ...], next_offset: int, wanted: tuple[int, ...] | None
) -> None:
    found = in_line(stored(*offsets), next_offset)

    assert found is None if wanted is None else list(found or ()) == stored(*wanted)


# --- what is handed out


class Reading:
    """A worker whose one agent notes what it is given while it may."""

    def __init__(self, path: Path, datadir: Path) -> None:
        register()
        options: dict[str, Any] = {
            "broker": f"sqlitelog://{path}",
            "datadir": str(datadir),
            "web_enabled": False,
            "topic_partitions": 2,
            "topic_disable_leader": True,
            "stream_buffer_maxsize": BUFFER,
            "broker_commit_interval": 0.5,
            "TableManager": QuickTables,
        }
        self.app: Any = cast("Any", faust.App("reading", **options))
        self.app.unit_topics = frozenset({"notices"})
        self.got: dict[int, list[int]] = {0: [], 1: []}
        self.may_go_on = asyncio.Event()
        source = self.app.topic("notices", key_type=bytes, value_type=bytes, value_serializer="raw")
        self.app.agent(source, name="reading")(self.read)

    async def read(self, stream: Any) -> None:
        """As an agent of the product does: what waits is taken, and acknowledged, at once."""
        taking = Taking(stream)
        async for _ in stream:
            await self.may_go_on.wait()
            first = event = stream.current_event
            while event is not None:
                self.got[event.message.partition].append(event.message.offset)
                if event is not first:
                    event.ack()
                event = taking.next()
            taking.give_back(first)

    @property
    def log(self) -> SqliteLog:
        """The log as this worker has it open; what is appended here it hears of."""
        return cast("SqliteLog", self.app.transport.log_file)

    def has(self, log: SqliteLog) -> bool:
        """Whether every record there is has come once, in order."""
        return self.got == {n: [*range(log.end("notices", n))] for n in (0, 1)}


@pytest.fixture
def other(tmp_path: Path) -> Iterator[SqliteLog]:
    """The log as another process has it open."""
    with a_log(tmp_path / "log.db", partitions=2) as opened:
        yield opened


@pytest.fixture
async def reading(
    tmp_path: Path, other: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Reading]:
    monkeypatch.setattr(doorbell, "LOOK_ANYWAY_SECONDS", 1_000)  # it would mend what is wrong here
    made = Reading(tmp_path / "log.db", tmp_path / "faust")
    await other.append([a_record(key=str(n)) for n in range(4)])
    made.app.loop = asyncio.get_running_loop()
    await made.app.start()
    yield made
    made.may_go_on.set()
    await made.app.stop()


async def test_what_two_processes_write_in_turn_comes_once_and_in_order(
    reading: Reading, other: SqliteLog, eventually: Eventually
) -> None:
    reading.may_go_on.set()

    async def write(log: SqliteLog) -> None:
        for n in range(150):
            await log.append([a_record(key=f"{n}"), a_record(key=f"{n + 1}")])

    await asyncio.gather(write(reading.log), write(other), write(reading.log))

    await eventually(lambda: reading.has(other))


async def test_its_own_records_are_not_read_from_the_file(
    reading: Reading, other: SqliteLog, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading.may_go_on.set()
    await eventually(lambda: reading.has(other))
    fetched: list[tuple[int, int]] = []
    fetch = reading.log.reader.fetch

    def watched(partition_id: int, offset: int, limit: int) -> list[Stored]:
        fetched.append((partition_id, offset))
        return fetch(partition_id, offset, limit)

    monkeypatch.setattr(reading.log.reader, "fetch", watched)

    for n in range(100):
        await reading.log.append([a_record(key=str(n))])
    await eventually(lambda: reading.has(other))

    assert not fetched


async def test_a_full_agent_gets_later_what_it_has_no_room_for(
    reading: Reading, other: SqliteLog, eventually: Eventually
) -> None:
    for n in range(10 * BUFFER):
        await reading.log.append([a_record(key=str(n))])
    assert reading.got == {0: [], 1: []}

    reading.may_go_on.set()

    await eventually(lambda: reading.has(other))


async def test_what_units_finish_is_not_noted_for_a_commit_that_never_comes(
    reading: Reading, other: SqliteLog, eventually: Eventually
) -> None:
    reading.may_go_on.set()
    for n in range(200):
        await reading.log.append([a_record(key=str(n)) for n in range(n % 5 + 1)])
    await eventually(lambda: reading.has(other))

    # Faust's compiled iteration notes the first event of each turn alone, so that there are holes.
    consumer = reading.app.consumer
    noted = (consumer._acked, consumer._acked_index)  # noqa: SLF001  # what grew
    await eventually(lambda: not any(each for kept in noted for each in kept.values()))
