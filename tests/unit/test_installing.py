"""Of machines that start at once under other master keys one is let in, and keeps the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.log.sqlitelog import SqliteLog
from ops.engines import Log, open_log, setup
from ops.installation import found_or_made, read_directory
from ops.settings import Settings
from streams.domain.errors import NotOurs
from streams.installations import Installation
from streams.ports import Appender, Place, Record
from streams.topics import DIRECTORY

OLD, NEW, OTHER = (bytes([letter]) * 32 for letter in b"ONX")


class Overtaken:
    """A log of a machine that another one overtakes between its first look and its first write."""

    def __init__(self, log: Log, other: Callable[[], Awaitable[object]]) -> None:
        self.tail, self._appender, self._other = log.tail, log.appender, other
        self.appends = 0

    @property
    def appender(self) -> Appender:
        return self

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        self.appends += 1
        if self.appends == 1:
            await self._other()
        return await self._appender.append(records)


def machine(data: Path, *keys: bytes) -> Settings:
    return replace(Settings(data=data), master_keys=keys)


def compacted(settings: Settings) -> None:
    log = SqliteLog(settings.log_path, on_failure=None)
    log.compact(DIRECTORY.name)
    log.close()


async def must_be_kept_by(first: Settings, late: Settings) -> None:
    """Have both write at once, and see that the log is the first one's, compacted or not."""
    log = open_log(first)
    made: list[Installation] = []

    async def start_first() -> None:
        made.append(await found_or_made(log, first))

    overtaken = Overtaken(log, start_first)
    with pytest.raises(NotOurs, match="another master key"):
        await found_or_made(overtaken, late)  # type: ignore[arg-type]  # the parts that are used

    assert (await read_directory(log.tail)).installation == made[0]
    assert overtaken.appends == 2, "its own, and a copy of what holds behind it"
    compacted(first)
    assert await found_or_made(log, first) == made[0]
    with pytest.raises(NotOurs):
        await found_or_made(log, late)
    await log.close()


async def test_of_two_first_starts_under_other_keys_the_first_in_the_log_wins(
    tmp_path: Path,
) -> None:
    first, late = machine(tmp_path, NEW), machine(tmp_path, OTHER)
    setup(first)

    await must_be_kept_by(first, late)


async def test_of_two_rotations_to_other_keys_the_first_in_the_log_wins(tmp_path: Path) -> None:
    setup(machine(tmp_path, OLD))
    log = open_log(machine(tmp_path, OLD))
    await found_or_made(log, machine(tmp_path, OLD))
    await log.close()

    await must_be_kept_by(machine(tmp_path, NEW, OLD), machine(tmp_path, OTHER, OLD))


async def test_a_rotation_that_is_overtaken_by_its_like_is_let_in_too(tmp_path: Path) -> None:
    rotated = machine(tmp_path, NEW, OLD)
    setup(rotated)
    log = open_log(rotated)
    made = await found_or_made(log, machine(tmp_path, OLD))

    async def start() -> None:
        await found_or_made(log, rotated)

    found = await found_or_made(Overtaken(log, start), rotated)  # type: ignore[arg-type]  # as above

    assert found.installation_id == made.installation_id
    assert await found_or_made(log, machine(tmp_path, NEW)) == found
    await log.close()
