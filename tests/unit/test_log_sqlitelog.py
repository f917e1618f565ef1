"""The embedded log in one process: order, atomicity, durability, limits."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner  # type: ignore[import-untyped]  # no types
from hypothesis import given
from hypothesis import strategies as st

from connectors.log.backlog import Backlog
from connectors.log.elements import Element
from connectors.log.headers import pack_headers, unpack_headers
from connectors.log.places import partition_of
from connectors.log.schema import connect
from connectors.log.sqlitelog import SqliteLog
from streams.domain.errors import Conflict, CorruptState, Unavailable
from streams.ports import Place, Record
from tests.full_disks import a_full_disk
from tests.log_helpers import a_log, a_record, all_of, count, every

_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


async def test_records_of_a_key_get_consecutive_offsets_and_keep_their_order(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path / "log.db") as log:
        first = await log.append([a_record(value="1"), a_record(value="2")])
        second = await log.append([a_record(value="3")])

        partition = first[0].partition
        assert [*first, *second] == [
            Place(topic="notices", partition=partition, offset=offset) for offset in range(3)
        ]
        values = [record.value for record in log.fetch("notices", partition, 0, 10)]
        assert values == [b"1", b"2", b"3"]
        assert log.end("notices", partition) == 3


async def test_a_record_comes_back_with_its_headers_and_the_time_of_its_append(
    tmp_path: Path,
) -> None:
    now = datetime(2026, 11, 24, 3, 4, 5, tzinfo=UTC)
    with a_log(tmp_path / "log.db", clock=lambda: now) as log:
        record = Record(topic="notices", key=b"k", value=b"v", headers=(("種類", b"\x00\xff"),))
        (place,) = await log.append([record])

        (stored,) = log.fetch("notices", place.partition, 0, 1)
        assert unpack_headers(stored.headers) == record.headers
        assert stored.timestamp_ms == int(now.timestamp() * 1000)


async def test_times_of_a_partition_never_go_back_though_the_clock_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s) for s in (10, 5, 20)]
    with a_log(tmp_path / "log.db", clock=lambda: times.pop(0)) as log:
        for _ in range(3):
            await log.append([a_record()])

        stored = every(log, "notices")
        assert [(r.timestamp_ms - stored[0].timestamp_ms) for r in stored] == [0, 0, 10_000]
        assert caplog.text.count("the clock of this machine is 5.0 s behind") == 1


async def test_appends_made_at_the_same_time_share_commits(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        appends = [log.append([a_record(key=f"k{n}", value=str(n))]) for n in range(500)]
        places = await asyncio.gather(*appends)

        assert len({(place[0].partition, place[0].offset) for place in places}) == 500
        assert count(log, "notices") == 500
        assert log.commits < 250


async def test_what_was_appended_is_there_after_opening_again(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        await log.append([a_record(value="1")])
    with a_log(tmp_path / "log.db") as log:
        (place,) = await log.append([a_record(value="2")])

        assert place.offset == 1
        assert [record.value for record in every(log, "notices")] == [b"1", b"2"]


async def test_positions_become_durable_with_their_records_and_never_go_back(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path / "log.db") as log:
        partition_id = log.catalog.get("notices").partition_ids[2]
        rows, _ = log.rows_of([a_record()])
        log.enqueue(Element(rows=rows, positions=[("stage", partition_id, 7)]))
        await log.barrier([("stage", partition_id, 3)])

        assert log.committed("stage", "notices", 2) == 7
        assert log.committed("other", "notices", 2) is None
        assert count(log, "notices") == 1


async def test_a_full_queue_refuses_after_a_bounded_wait_and_accepts_none_of_them(
    tmp_path: Path,
) -> None:
    small = Backlog(records_max=10)
    with a_log(tmp_path / "log.db", backlog=small, append_wait_seconds_max=0.05) as log:
        lock = connect(log.path)
        lock.execute("BEGIN IMMEDIATE")  # the writer now waits inside its transaction
        waiting = asyncio.create_task(log.append([a_record(value=str(n)) for n in range(10)]))
        await asyncio.sleep(0)  # lets the first append queue its records
        assert log.backlog.records == 10

        with pytest.raises(Unavailable, match="10 of 10 records"):
            await log.append([a_record(value="one too many")])
        lock.execute("ROLLBACK")
        lock.close()
        await waiting
        await log.append([a_record(value="later")])

        values = [record.value for record in every(log, "notices")]
        assert values == [*(b"%d" % n for n in range(10)), b"later"]


async def test_whoever_waits_for_room_is_woken_when_the_writer_has_caught_up(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path / "log.db", backlog=Backlog(records_max=4)) as log:
        appends = [log.append([a_record(value=str(n))]) for n in range(100)]
        await asyncio.wait_for(asyncio.gather(*appends), 20)

        assert count(log, "notices") == 100
        assert log.backlog.records == 0


async def test_a_topic_keeps_its_number_of_partitions(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log, a_log(tmp_path / "log.db") as other:
        log.create_topic("t", 3)
        assert other.create_topic("t", 3, compacted=True, retention_seconds=60).compacted

        with pytest.raises(Conflict, match="has 3 partitions, not 5"):
            other.create_topic("t", 5)


async def test_an_unknown_topic_is_named(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        with pytest.raises(LookupError, match="'nowhere'"):
            await log.append([a_record(topic="nowhere")])
        with pytest.raises(LookupError, match="'nowhere'"):
            log.fetch("nowhere", 0, 0, 1)


async def test_two_logs_on_one_file_share_the_offsets(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as one, a_log(tmp_path / "log.db") as two:
        for n in range(20):
            await (one, two)[n % 2].append([a_record(value=str(n))])

        assert [int(record.value or b"") for record in every(one, "notices")] == list(range(20))
        assert every(one, "notices") == every(two, "notices")


async def test_nothing_is_visible_before_it_is_committed(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        (place,) = await log.append([a_record()])
        writer = connect(log.path)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE ends SET next_offset = 99")
        writer.execute("DELETE FROM log")

        assert log.end("notices", place.partition) == 1
        assert len(all_of(log, "notices", place.partition)) == 1
        writer.execute("ROLLBACK")
        writer.close()


async def test_a_blocking_append_needs_no_event_loop(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        (place,) = await asyncio.to_thread(log.append_blocking, [a_record()])

        assert (place.topic, place.offset) == ("notices", 0)


@pytest.mark.allows_errors
async def test_a_writer_that_breaks_refuses_instead_of_keeping_everyone_waiting(
    tmp_path: Path,
) -> None:
    failures: list[BaseException] = []

    def broken(_: object) -> None:
        raise ZeroDivisionError

    with a_log(tmp_path / "log.db", on_failure=failures.append) as log:
        log.listen(broken)
        await log.append([a_record(value="durable")])

        with pytest.raises(Unavailable):
            await log.append([a_record(value="refused")])
        assert [type(failure) for failure in failures] == [ZeroDivisionError]
        assert [record.value for record in every(log, "notices")] == [b"durable"]


@pytest.mark.allows_errors
async def test_a_full_disk_is_told_of_once_and_not_for_each_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with a_log(tmp_path / "log.db") as log:
        with a_full_disk(4_096):
            for _ in range(5):
                with pytest.raises(Unavailable, match="disk"):
                    await log.append([a_record(value="x" * 10_000)])

        await log.append([a_record(value="kept")])

        assert [record.value for record in every(log, "notices")] == [b"kept"]
    (said,) = (record.message for record in caplog.records if record.levelno == logging.ERROR)
    assert said.startswith("the log refuses records, since it cannot be written")


async def test_a_closed_log_refuses(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        pass

    with pytest.raises(Unavailable, match="closed"):
        await log.append([a_record()])


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with a_log(path):
        pass
    changed = sqlite3.connect(path)
    changed.execute("PRAGMA user_version = 999")
    changed.close()

    with pytest.raises(CorruptState, match="schema 999"):
        SqliteLog(path, on_failure=None)


@pytest.mark.parametrize("content", ["sqlite", "text"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "log.db"
    if content == "sqlite":
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE t (a)")
        other.close()
    else:
        path.write_text("not a database, though long enough to be looked at " * 100)

    with pytest.raises(CorruptState):
        SqliteLog(path, on_failure=None)


@given(key=st.binary(min_size=1, max_size=40), partitions=st.integers(1, 64))
def test_keys_have_the_partitions_that_they_have_on_kafka(key: bytes, partitions: int) -> None:
    numbers = list(range(partitions))

    assert partition_of(key, partitions) == DefaultPartitioner()(key, numbers, numbers)


@given(st.lists(st.tuples(_NAMES, st.binary(max_size=50))))
def test_headers_come_back_as_they_were(headers: list[tuple[str, bytes]]) -> None:
    assert unpack_headers(pack_headers(headers)) == tuple(headers)


@given(st.binary(min_size=1, max_size=60))
def test_broken_headers_are_corrupt_state_or_readable_never_anything_else(packed: bytes) -> None:
    try:
        headers = unpack_headers(packed)
    except CorruptState:
        return
    assert pack_headers(headers) == packed
