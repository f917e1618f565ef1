"""Compaction and retention forget what may be forgotten, and never what is needed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.log.catalog import Topic
from connectors.log.maintenance import DIRTY_RECORDS_MIN, TOMBSTONE_DELAY_SECONDS
from connectors.log.sqlitelog import SqliteLog
from streams.ports import Record
from tests.log_helpers import a_log, a_record, count, every

START = datetime(2026, 11, 1, tzinfo=UTC)


class Times:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def one_partition(
    log: SqliteLog, *, compacted: bool = False, retention: int | None = None
) -> Topic:
    return log.create_topic("t", 1, compacted, retention)


async def put(log: SqliteLog, *pairs: tuple[str, str]) -> None:
    await log.append([a_record(topic="t", key=key, value=value) for key, value in pairs])


def offsets(log: SqliteLog) -> list[int]:
    return [record.offset for record in every(log, "t")]


async def test_compaction_keeps_the_newest_of_each_key_with_its_offset(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        one_partition(log, compacted=True)
        await put(log, ("a", "1"), ("b", "1"), ("a", "2"), ("c", "1"), ("b", "2"))

        assert log.compact("t") == 2

        assert [(r.offset, r.key, r.value) for r in every(log, "t")] == [
            (2, b"a", b"2"),
            (3, b"c", b"1"),
            (4, b"b", b"2"),
        ]
        assert log.compact("t") == 0
        assert log.earliest("t", 0) == 2
        await put(log, ("a", "3"))
        assert offsets(log) == [2, 3, 4, 5]


async def test_compaction_of_random_changes_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    chance = random.Random(20261124)  # noqa: S311  # keys, not secrets
    with a_log(tmp_path / "log.db") as log:
        one_partition(log, compacted=True)
        for _ in range(10):
            await put(
                log,
                *(
                    (f"k{chance.randrange(200)}", str(chance.randrange(50) or ""))
                    for _ in range(700)
                ),
            )
        before = {record.key: record.value for record in every(log, "t")}

        log.compact("t")

        assert {record.key: record.value for record in every(log, "t")} == before
        assert len(offsets(log)) == len(before)


async def test_a_tombstone_stays_until_its_delay_is_over_and_then_goes(tmp_path: Path) -> None:
    times = Times()
    with a_log(tmp_path / "log.db", clock=times) as log:
        one_partition(log, compacted=True)
        await put(log, ("gone", "1"), ("gone", ""), ("here", "1"))

        log.compact("t")
        assert offsets(log) == [1, 2]
        times.pass_by(TOMBSTONE_DELAY_SECONDS + 1)
        log.compact("t")
        assert offsets(log) == [2]


async def test_the_last_record_stays_even_when_it_is_an_old_tombstone(tmp_path: Path) -> None:
    times = Times()
    with a_log(tmp_path / "log.db", clock=times) as log:
        one_partition(log, compacted=True)
        await put(log, ("a", "1"), ("a", ""))
        times.pass_by(TOMBSTONE_DELAY_SECONDS + 1)

        log.compact("t")

        assert offsets(log) == [1]


async def test_compaction_deletes_nothing_that_a_group_has_yet_to_read(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        topic = one_partition(log, compacted=True)
        await put(log, *(("a", str(n)) for n in range(10)))
        await log.barrier([("slow", topic.partition_ids[0], 6)])

        log.compact("t")

        assert offsets(log) == [5, 6, 7, 8, 9]


async def test_retention_deletes_what_is_old_and_read_by_all(tmp_path: Path) -> None:
    times = Times()
    with a_log(tmp_path / "log.db", clock=times) as log:
        topic = one_partition(log, retention=60)
        await put(log, *(("a", str(n)) for n in range(10)))
        times.pass_by(61)
        await put(log, ("a", "young"))
        await log.barrier(
            [("fast", topic.partition_ids[0], 11), ("slow", topic.partition_ids[0], 4)]
        )

        assert log.expire("t") == 4
        assert offsets(log)[0] == log.earliest("t", 0) == 4
        await log.barrier([("slow", topic.partition_ids[0], 11)])
        assert log.expire("t") == 6
        assert offsets(log) == [10]
        times.pass_by(61)
        log.expire("t")
        assert log.earliest("t", 0) == log.end("t", 0) == 11


async def test_retention_keeps_what_no_group_has_come_to_read_yet(tmp_path: Path) -> None:
    times = Times()
    with a_log(tmp_path / "log.db", clock=times) as log:
        one_partition(log, retention=60)
        await put(log, ("a", "1"), ("a", "2"))
        times.pass_by(61)

        assert log.expire("t") == 0
        assert offsets(log) == [0, 1]


async def test_a_topic_without_retention_keeps_everything(tmp_path: Path) -> None:
    times = Times()
    with a_log(tmp_path / "log.db", clock=times) as log:
        one_partition(log)
        await put(log, ("a", "1"), ("a", "2"))
        times.pass_by(10**9)

        assert log.expire("t") == 0
        log.maintain()

        assert offsets(log) == [0, 1]


async def test_maintenance_compacts_only_what_has_changed_enough(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        one_partition(log, compacted=True)
        await put(log, *(("a", str(n)) for n in range(DIRTY_RECORDS_MIN - 1)))
        log.maintain()
        assert len(offsets(log)) == DIRTY_RECORDS_MIN - 1

        await put(log, ("a", "last"))
        log.maintain()

        assert offsets(log) == [DIRTY_RECORDS_MIN - 1]


async def test_the_files_stay_bounded_under_writing_and_forgetting(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        one_partition(log, compacted=True)
        sizes: list[int] = []
        for _ in range(8):
            batch = [Record(topic="t", key=b"%d" % n, value=b"x" * 1000) for n in range(2_000)]
            await log.append(batch)
            log.maintain()
            sizes.append(log.path.stat().st_size)

        wal = log.path.with_name("log.db-wal")
        assert count(log, "t") == 16_000
        assert sizes[-1] < 6 * 2_000 * 1_000
        assert wal.stat().st_size < 40 * 1024 * 1024
