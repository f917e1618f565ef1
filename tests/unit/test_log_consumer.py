"""The end of a worker on the embedded log does not wait for history that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import faust
import pytest

from connectors.kafka.recovery import QuickTables
from connectors.log import unfinished
from connectors.log.sqlitelog import SqliteLog
from connectors.log.transport import register
from tests.conftest import Eventually
from tests.log_helpers import a_log, a_record

GROUP = "archiving"
END_SECONDS_MAX = 5.0


class Archiver:
    """A worker without outputs, whose one agent hangs with whatever it was given."""

    def __init__(self, path: Path, datadir: Path) -> None:
        register()
        options: dict[str, Any] = {
            "broker": f"sqlitelog://{path}",
            "datadir": str(datadir),
            "web_enabled": False,
            "topic_partitions": 1,
            "topic_disable_leader": True,
            "broker_commit_interval": 0.05,
            "TableManager": QuickTables,
        }
        self.app: Any = cast("Any", faust.App(GROUP, **options))
        self.app.unit_topics = frozenset({"references"})
        self.begun: list[bytes] = []
        self.may_end = asyncio.Event()
        source = self.app.topic("notices", value_type=bytes, value_serializer="raw")
        self.app.agent(source, name="hanging")(self.hang)

    async def hang(self, stream: Any) -> None:
        async for events in stream.take_events(2, within=30):
            self.begun += [event.value for event in events]
            await self.may_end.wait()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    with a_log(tmp_path / "log.db", partitions=1) as opened:
        yield opened


@pytest.fixture
async def archiver(tmp_path: Path, log: SqliteLog) -> AsyncIterator[Archiver]:
    made = Archiver(tmp_path / "log.db", tmp_path / "faust")
    await log.append([a_record(value=str(n)) for n in range(4)])
    made.app.loop = asyncio.get_running_loop()
    await made.app.start()
    yield made
    made.may_end.set()
    await made.app.stop()


async def test_what_hangs_is_given_up_at_the_end_and_read_again(
    archiver: Archiver, log: SqliteLog, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "FINISH_SECONDS_MAX", 0.1)
    await eventually(lambda: len(archiver.begun) == 2)

    async with asyncio.timeout(END_SECONDS_MAX):
        await archiver.app.stop()

    assert log.committed(GROUP, "notices", 0) == 0, "what is not stored is read again"


async def test_what_ends_in_time_is_not_read_again(
    archiver: Archiver, log: SqliteLog, eventually: Eventually
) -> None:
    await eventually(lambda: len(archiver.begun) == 2)
    asyncio.get_running_loop().call_later(0.2, archiver.may_end.set)

    async with asyncio.timeout(END_SECONDS_MAX):
        await archiver.app.stop()

    assert log.committed(GROUP, "notices", 0) == len(archiver.begun)
