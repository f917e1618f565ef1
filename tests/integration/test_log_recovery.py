"""Tables come back from the log: quickly, after compaction, and after a unit that failed."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from faust.types.tuples import TP, Message

from connectors.log.places import partition_of
from connectors.log.sqlitelog import SqliteLog
from streams.clock import monotonic_seconds
from streams.ports import Record
from tests.log_helpers import (
    a_log,
    a_record,
    count,
    end,
    every,
    rows_of,
    start,
    wait_for_count,
    wait_until,
)
from tests.log_worker import make_app

pytestmark = pytest.mark.integration

ROWS = 200_000
CHANGELOG = "log-worker-totals-changelog"


@asynccontextmanager
async def an_app(log: SqliteLog) -> AsyncIterator[Any]:
    """The worker's app in this process, with a producer that runs and nothing else."""
    app: Any = make_app(f"sqlitelog://{log.path}", "sqlitelogrows://", "unit")
    await app.producer.start()
    try:
        yield app
    finally:
        await app.producer.stop()


async def load(app: Any) -> Any:
    """The app's table after its recovery."""
    table = app.tables["totals"]
    table.use_partitioner = True  # no event is handled here that would say the partition
    assigned = {TP(CHANGELOG, number) for number in range(4)}
    await table.on_rebalance(assigned, set(), assigned, 1)
    return table


def a_message(offset: int) -> Message:
    return Message("notices", 0, offset, 0, 0, [], b"k", b"v", None, tp=TP("notices", 0))


async def test_a_table_of_200_000_rows_is_ready_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic(CHANGELOG, 4, is_table=True)
        for first in range(0, ROWS, 10_000):
            await log.append(
                [
                    Record(topic=CHANGELOG, key=b"invoice-%d" % n, value=b"{%0300d}" % n)
                    for n in range(first, first + 10_000)
                ]
            )
        async with an_app(log) as app:
            started = monotonic_seconds()
            table = await load(app)
            took = monotonic_seconds() - started

            assert len(table.data.cache) == 0
            assert len(table) == ROWS
            assert table[b"invoice-77"] == b"{%0300d}" % 77
            assert table.persisted_offset(TP(CHANGELOG, 1)) == log.end(CHANGELOG, 1) - 1
            with capsys.disabled():
                sys.stdout.write(f"\n{ROWS} rows ready in {took * 1000:.1f} ms\n")


async def test_a_table_comes_back_as_its_records_left_it(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic(CHANGELOG, 4, is_table=True)
        changes = [("a", "1"), ("b", "1"), ("a", "2"), ("b", ""), ("c", "1"), ("c", ""), ("c", "2")]
        for key, value in changes:
            await log.append([Record(topic=CHANGELOG, key=key.encode(), value=value.encode())])

        async with an_app(log) as app:
            table = await load(app)

            assert dict(table.items()) == {b"a": b"2", b"c": b"2"}


async def test_a_worker_goes_on_after_compaction_and_retention_left_gaps(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic("notices", 4, compacted=True, retention_seconds=0)
        log.create_topic("counts", 4)
        for value in range(3):
            values = [b"%d" % n for n in range(value * 100, value * 100 + 100)]
            await log.append(
                [
                    Record(topic="notices", key=b"k%d" % (n % 10), value=v)
                    for n, v in enumerate(values)
                ]
            )
            broker = f"sqlitelog://{log.path}"
            worker = start("tests.log_worker", broker, "sqlitelogrows://", "unit")
            try:
                wait_for_count(log, "counts", (value + 1) * 100, worker)
            finally:
                end([worker])
            log.compact("notices")
            log.expire("notices")

        assert rows_of(log, CHANGELOG) == {b"k%d" % n: b"30" for n in range(10)}
        assert {int((r.value or b"").split(b":")[0]) for r in every(log, "counts")} == set(
            range(300)
        )


async def test_plain_positions_move_over_the_gaps_that_compaction_left(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic("counts", 4)
        one_partition = [f"k{n}" for n in range(100) if partition_of(b"k%d" % n, 4) == 0][:4]
        for key in one_partition:
            await log.append([a_record(key=key, value=str(n)) for n in range(10)])
        log.compact("notices")
        assert [record.offset for record in every(log, "notices")] == [9, 19, 29, 39]
        ends = [log.end("notices", number) for number in range(4)]
        worker = start("tests.log_worker", f"sqlitelog://{log.path}", "sqlitelogrows://", "plain")
        try:
            wait_until(
                log,
                lambda: [log.committed("counting", "notices", n) or 0 for n in range(4)] == ends,
                process=worker,
            )
        finally:
            end([worker])

        assert count(log, "counts") == 4


async def test_a_unit_that_fails_takes_its_table_writes_back_and_must_be_settled(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic(CHANGELOG, 4, is_table=True)
        async with an_app(log) as app:
            table = await load(app)
            table[b"old"] = b"1"

            def fail() -> None:
                with app.producer.unit(a_message(4)) as unit:
                    unit.send(Record(topic="notices", key=b"k", value=b"lost"))
                    table[b"old"] = b"2"
                    table.update({b"old": b"3", b"new": b"1"})
                    table.clear()
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                fail()

            assert dict(table.items()) == {b"old": b"1"}
            with pytest.raises(RuntimeError, match="offset 4"), app.producer.unit(a_message(5)):
                pass
            with app.producer.unit(a_message(4)) as unit:
                unit.send(Record(topic="notices", key=b"k", value=b"kept"))
            with app.producer.unit(a_message(5)):
                pass
            await app.producer.flush()

            assert [record.value for record in every(log, "notices")] == [b"kept"]
            assert log.committed("counting", "notices", 0) == 6


async def test_a_second_unit_cannot_be_opened_inside_the_first(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        async with an_app(log) as app:
            first, second = app.producer.unit(a_message(0)), app.producer.unit(a_message(1))
            with first, pytest.raises(RuntimeError, match="open already"), second:
                pass
            await app.producer.flush()

            assert log.committed("counting", "notices", 0) == 1
