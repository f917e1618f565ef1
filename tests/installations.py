"""What is done to an installation on files, and asked of it, by tests of what its starts refuse."""

from __future__ import annotations

import asyncio
import base64
import os
import sqlite3
from pathlib import Path

import pytest

from connectors.history.opening import open_history
from connectors.log.places import partition_of
from connectors.log.sqlitelog import SqliteLog
from connectors.sealing import Sealer
from ops.belonging import catch_up
from ops.engines import open_log
from ops.installation import begin, read_directory
from ops.keys import with_keys
from ops.settings import Settings
from ops.standing import GROUP
from streams.codecs import encode
from streams.domain.ids import AccountId, MerchantId
from streams.domain.notice import ChannelKind
from streams.installations import KEY, Installation
from streams.messages import AccountSet
from streams.ports import Record
from streams.topics import DIRECTORY, HISTORY
from tests.builders import MERCHANT, NOW
from tests.history_engines import archived
from tests.message_builders import a_notice_accepted

PARTITIONS = Settings(data=Path("data")).partitions
OTHER_KEY = base64.b64encode(b"another-key-of-another-machine!!").decode()
KEY_OF_FIRST = next(
    key for key in (f"mer_{n}".encode() for n in range(100)) if partition_of(key, PARTITIONS) == 0
)
"""All that is stored here is in the first partition."""


def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory for commands of this process, without settings of whoever runs the tests."""
    for name in tuple(os.environ):
        if name.startswith("KESHIKOMI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KESHIKOMI_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def started(data: Path) -> Settings:
    """The settings after a first start."""
    settings = with_keys(Settings(data=data))
    begin(settings, with_history=True)
    return settings


def append(settings: Settings, *records: Record) -> None:
    log = SqliteLog(settings.log_path, on_failure=None)
    log.append_blocking(records)
    log.close()


def records_of_history(number: int) -> list[Record]:
    """As the steps write them, all in one partition."""
    value = encode(a_notice_accepted())
    return [Record(topic=HISTORY.name, key=KEY_OF_FIRST, value=value)] * number


async def commit(settings: Settings, offset: int, *, stored: int = 0) -> int:
    """As an archiver says that it stored so many records, and how many history then has."""
    log = open_log(settings)
    partition = log.tail.partition_of(HISTORY.name, KEY_OF_FIRST)
    file = SqliteLog(settings.log_path, on_failure=None)
    ids = file.catalog.get(HISTORY.name).partition_ids
    await file.barrier([(GROUP, ids[partition], offset)])
    file.close()
    history = open_history(settings.history)
    for first in range(stored):
        await history.store(archived(a_notice_accepted(), first_offset=first, partition=partition))
    await history.close()
    await log.close()
    return partition


def in_use_without_record(data: Path, *, seal: bytes) -> Settings:
    """As an earlier version left it: an account, and history that is up to date."""
    settings = with_keys(Settings(data=data))
    log = SqliteLog(settings.log_path, on_failure=None)
    for topic in (DIRECTORY.name, HISTORY.name, "quarantine"):
        log.create_topic(topic, 1 if topic == DIRECTORY.name else settings.partitions)
    log.close()
    account = AccountSet(
        account_id=AccountId("ca_1"),
        merchant_id=MerchantId(MERCHANT),
        channel=ChannelKind.KONBINI_SLIP,
        format="generic",
        sealed_config=Sealer([seal]).seal(b"{}", "ca_1"),
        created_at=NOW,
    )
    append(settings, Record(topic=DIRECTORY.name, key=b"ca_1", value=encode(account)))
    append(settings, *records_of_history(2))
    asyncio.run(commit(settings, 2, stored=2))
    return settings


def installation_of(settings: Settings) -> Installation:
    async def ask() -> Installation:
        log = open_log(settings)
        found = (await read_directory(log.tail)).installation
        await log.close()
        assert found is not None
        return found

    return asyncio.run(ask())


def owner_of(settings: Settings) -> str:
    async def ask() -> str:
        history = open_history(settings.history)
        owner = await history.installation()
        await history.close()
        return owner

    return asyncio.run(ask())


def lose_log(settings: Settings) -> None:
    for path in settings.data.glob("log.db*"):
        if path.is_file():
            path.unlink()


async def archiver_starts(settings: Settings) -> None:
    log, history = open_log(settings), open_history(settings.history)
    try:
        found = (await read_directory(log.tail)).installation
        assert found is not None
        await catch_up(history, log, found, settings)
    finally:
        await history.close()
        await log.close()


def committed(settings: Settings, partition: int) -> int | None:
    log = SqliteLog(settings.log_path, on_failure=None)
    found = log.committed(GROUP, HISTORY.name, partition)
    log.close()
    return found


def forget(settings: Settings, partition: int, before: int) -> None:
    """As retention does."""
    log = SqliteLog(settings.log_path, on_failure=None)
    place = log.catalog.get(HISTORY.name).partition_ids[partition] << 40
    log.close()
    connection = sqlite3.connect(settings.log_path)
    with connection:
        connection.execute(
            "DELETE FROM log WHERE place >= ? AND place < ?", (place, place + before)
        )
    connection.close()


def new_history(settings: Settings) -> None:
    for path in settings.data.glob("history.db*"):
        path.unlink()


def another(settings: Settings, installation_id: str) -> Record:
    made = Installation(
        installation_id=installation_id,
        sealed=Sealer(settings.master_keys).seal(b"keshikomi", installation_id),
        made_at=NOW,
    )
    return Record(topic=DIRECTORY.name, key=KEY, value=encode(made))
