"""A copy of a table on disk: used where it is of this log and new enough, else made again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]  # it ships no types
from faust.types.tuples import TP, Message

from connectors.kafka.partitions import FRESH_SECONDS, Partitions
from connectors.kafka.rows import ON_DISK, RocksRows
from connectors.kafka.store import Store, url_of
from ops.stack.kafka import KafkaServer
from streams.clock import system_clock
from tests.log_worker import TABLE, make_app
from tests.real_engines import fresh_name

pytestmark = [
    pytest.mark.integration,
    pytest.mark.allows_errors,  # aiokafka calls a coordinator that is not elected yet an error
]

Rows = list[tuple[bytes, bytes | None]]
BEFORE: Rows = [(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None)]
AFTER: Rows = [(b"c", b"1")]


async def write(kafka: KafkaServer, topic: str, rows: Rows) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.address, enable_idempotence=True)
    await producer.start()
    try:
        for key, value in rows:
            await producer.send_and_wait(topic, value, key=key, partition=0)
    finally:
        await producer.stop()


async def a_changelog(kafka: KafkaServer) -> str:
    topic = fresh_name("table") + "-changelog"
    await asyncio.to_thread(kafka.create_topic, topic, 1, config={"cleanup.policy": "compact"})
    await write(kafka, topic, BEFORE)
    return topic


class Copy:
    """A table's copy in a directory, loaded as often as a test wants."""

    def __init__(self, kafka: KafkaServer, topic: str, folder: Path) -> None:
        self._options = {"bootstrap_servers": kafka.address}
        self._topic, self._folder = topic, folder

    async def load(self, installation: str = "ins_1") -> tuple[int, dict[bytes, bytes]]:
        """Records read, and the rows afterwards."""
        rows_of_disk = RocksRows(self._folder)
        partitions = Partitions(self._topic, rows_of_disk, installation=installation)
        try:
            await partitions.load([0], self._options)
            rows = dict(row for piece in partitions.pieces() for row in piece)
        finally:
            partitions.close()
        return partitions.replayed, rows

    def spoil(self, **changes: Any) -> None:
        """Give it a row that the changelog does not have, and change its mark."""
        rows = RocksRows(self._folder)
        mark = rows.mark(0)
        assert mark is not None
        rows.apply(0, [(b"ghost", b"1")], mark._replace(**changes))
        rows.close()


@pytest.fixture
async def copy(kafka_server: KafkaServer, tmp_path: Path) -> Copy:
    """A copy that was up to date, and a changelog that went on since."""
    topic = await a_changelog(kafka_server)
    made = Copy(kafka_server, topic, tmp_path / "copy")
    assert await made.load() == (len(BEFORE), {b"a": b"2"})
    assert await made.load() == (0, {b"a": b"2"})
    await write(kafka_server, topic, AFTER)
    return made


async def test_a_copy_reads_what_came_since(copy: Copy) -> None:
    assert await copy.load() == (1, {b"a": b"2", b"c": b"1"})


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster": "another"},
        {"offset": 77},
        {"at": int(system_clock().timestamp()) - FRESH_SECONDS},
    ],
    ids=["of another cluster", "ahead of the changelog", "too old to know what was removed"],
)
async def test_a_copy_that_is_of_no_use_is_made_again(copy: Copy, changes: dict[str, Any]) -> None:
    copy.spoil(**changes)

    assert await copy.load() == (len(BEFORE) + 1, {b"a": b"2", b"c": b"1"})


async def test_a_copy_of_another_installation_is_made_again(copy: Copy) -> None:
    copy.spoil()

    read, rows = await copy.load("ins_2")

    assert (read, rows) == (len(BEFORE) + 1, {b"a": b"2", b"c": b"1"})
    assert (await copy.load("ins_2"))[0] == 0, "it is this one's now"


async def test_a_copy_half_read_goes_on_where_it_stopped(
    kafka_server: KafkaServer, tmp_path: Path
) -> None:
    topic = await a_changelog(kafka_server)
    copy = Copy(kafka_server, topic, tmp_path / "copy")
    _, whole = await copy.load()
    copy.spoil(offset=1)  # as if two records had not been read; "ghost" shows that it is kept

    assert await copy.load() == (2, whole | {b"ghost": b"1"})


# --- the store above it


@asynccontextmanager
async def an_app(kafka: KafkaServer, tmp_path: Path) -> AsyncIterator[Any]:
    """The worker's app with its producer and its table loaded, and nothing else."""
    prefix = f"{fresh_name('log')}-"
    changelog = f"{prefix}log-worker-{TABLE}-changelog"
    await asyncio.to_thread(kafka.create_topic, changelog, 4)
    app: Any = make_app(kafka.url, url_of(ON_DISK), "unit", prefix)
    app.conf.datadir = tmp_path / "data"
    app.stopped = []
    app.on_log_failure = app.stopped.append
    await app.producer.start()
    store = app.tables[TABLE].data
    await store.load({TP(changelog, number) for number in range(4)})
    app.changelog = changelog
    try:
        yield app
    finally:
        await app.producer.stop()
        await store.on_stop()


def write_row(app: Any, key: bytes, value: bytes, *, fails: bool = False) -> None:
    """One step that writes one row in partition 0."""
    table = app.tables[TABLE]
    table.partition_for_key = lambda _: 0  # no event is handled here that would say it
    message = Message("notices", 0, 0, 0, 0, [], key, value, None, tp=TP("notices", 0))
    with app.producer.unit(message):
        table[key] = value
        if fails:
            raise ZeroDivisionError


async def test_a_row_is_seen_at_once_and_kept_when_the_broker_has_it(
    kafka_server: KafkaServer, tmp_path: Path
) -> None:
    async with an_app(kafka_server, tmp_path) as app:
        store: Store = app.tables[TABLE].data
        write_row(app, b"k", b"1")
        assert (store[b"k"], store.partitions.find(0, b"k")) == (b"1", None)
        await app.producer.flush()
        assert (dict(store.items()), store.partitions.find(0, b"k")) == ({b"k": b"1"}, b"1")

        with pytest.raises(ZeroDivisionError):
            write_row(app, b"k", b"2", fails=True)
        await app.producer.flush()

        assert (dict(store.items()), store.partitions.offset(0)) == ({b"k": b"1"}, 0)
        assert app.stopped == []


async def test_a_row_of_another_writer_between_ours_stops_the_process(
    kafka_server: KafkaServer, tmp_path: Path
) -> None:
    async with an_app(kafka_server, tmp_path) as app:
        store: Store = app.tables[TABLE].data
        write_row(app, b"k", b"1")
        await app.producer.flush()
        await write(kafka_server, app.changelog, [(b"foreign", b"1")])
        write_row(app, b"k", b"2")
        await app.producer.flush()

        (error,) = app.stopped
        assert "records before 2 that are not from this worker" in str(error)
        # What it kept ends before the gap, so the next process reads all that comes after.
        assert (store.partitions.offset(0), store.partitions.find(0, b"k")) == (0, b"1")


async def test_a_changelog_that_ends_in_something_else_than_a_record_is_read_to_its_end(
    kafka_server: KafkaServer, tmp_path: Path
) -> None:
    topic = await a_changelog(kafka_server)
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka_server.address, transactional_id=fresh_name("marker")
    )
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"2", key=b"d", partition=0)
    await producer.stop()

    copy = Copy(kafka_server, topic, tmp_path / "copy")

    assert await copy.load() == (len(BEFORE) + 1, {b"a": b"2", b"d": b"2"})
    assert await copy.load() == (0, {b"a": b"2", b"d": b"2"})
