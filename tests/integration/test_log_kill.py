"""A worker that is killed again and again loses nothing, repeats nothing, keeps its table."""

from __future__ import annotations

import random
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from connectors.log.places import partition_of
from connectors.log.sqlitelog import SqliteLog
from connectors.log.transport import STORE_SCHEME
from streams.ports import Record
from tests.log_helpers import a_log, count, end, every, start, wait_for_count, wait_until
from tests.log_worker import TABLE, make_app

pytestmark = pytest.mark.integration

EVENTS = 24_000
KEYS = 3_000
KILLS = 11
SEED = 20261124
CHANGELOG = "log-worker-totals-changelog"


async def fill(log: SqliteLog, events: int) -> None:
    """Notices 0..events-1, each key again and again."""
    for first in range(0, events, 1000):
        await log.append(
            [
                Record(topic="notices", key=b"k%d" % (n % KEYS), value=b"%d" % n)
                for n in range(first, first + 1000)
            ]
        )


def start_worker(log: SqliteLog, mode: str = "unit") -> subprocess.Popen[bytes]:
    """A worker on this log."""
    broker = f"sqlitelog://{log.path}"
    return start("tests.log_worker", broker, "sqlitelogrows://", mode)


async def table_of(log: SqliteLog) -> dict[bytes, bytes]:
    """What the next worker's table holds."""
    app: Any = make_app(f"sqlitelog://{log.path}", f"{STORE_SCHEME}://", "unit")
    await app.producer.start()
    try:
        return dict(app.tables[TABLE].items())
    finally:
        await app.producer.stop()


async def test_kills_in_the_middle_of_units_lose_and_repeat_nothing(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311  # kills, not secrets
    with a_log(tmp_path / "log.db") as log:
        log.create_topic("counts", 4)
        await fill(log, EVENTS)

        thresholds = sorted(chance.randrange(1, EVENTS - 500) for _ in range(KILLS))
        for threshold in thresholds:
            worker = start_worker(log)
            try:
                wait_for_count(log, "counts", threshold, worker)
            finally:
                end([worker])
        worker = start_worker(log)
        try:
            wait_for_count(log, "counts", EVENTS, worker)
        finally:
            end([worker])

        outputs = [record.value or b"" for record in every(log, "counts")]
        numbers = Counter(int(value.split(b":")[0]) for value in outputs)
        assert set(numbers) == set(range(EVENTS)), "lost"
        assert max(numbers.values()) == 1, "repeated"
        assert await table_of(log) == {b"k%d" % key: b"8" for key in range(KEYS)}
        assert count(log, CHANGELOG) == EVENTS
        totals: dict[bytes | None, list[int]] = defaultdict(list)
        for record in every(log, "counts"):
            totals[record.key].append(int((record.value or b"").split(b":")[1]))
        assert all(counts == list(range(1, 9)) for counts in totals.values())
        positions = [log.committed("counting", "notices", number) for number in range(4)]
        assert positions == [log.end("notices", number) for number in range(4)]


async def test_plain_agents_are_at_least_once_over_a_kill(tmp_path: Path) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic("counts", 4)
        await fill(log, 6_000)

        for threshold in (1_500, 6_000):
            worker = start_worker(log, "plain")
            try:
                wait_for_count(log, "counts", threshold, worker)
            finally:
                end([worker])
        worker = start_worker(log, "plain")
        try:
            ends = [log.end("notices", number) for number in range(4)]
            wait_until(
                log,
                lambda: [log.committed("counting", "notices", n) for n in range(4)] == ends,
                process=worker,
            )
        finally:
            end([worker])

        numbers = {int((r.value or b"").split(b":")[0]) for r in every(log, "counts")}
        assert numbers == set(range(6_000))


@pytest.mark.parametrize("kind", ["unit"])
async def test_a_unit_that_raises_leaves_nothing_but_the_quarantine_row(
    tmp_path: Path, kind: str
) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic("counts", 4)
        log.create_topic("quarantine", 4)
        for value in ("1", "poison", "2"):
            await log.append([Record(topic="notices", key=b"k", value=value.encode())])

        worker = start_worker(log, kind)
        try:
            wait_for_count(log, "counts", 2, worker)
        finally:
            end([worker])

        assert [record.value for record in every(log, "counts")] == [b"1:1", b"2:2"]
        assert [record.value for record in every(log, "quarantine")] == [b"poison"]
        assert await table_of(log) == {b"k": b"2"}
        assert count(log, CHANGELOG) == 2


async def test_a_step_that_fails_before_its_unit_is_not_passed_over_by_the_timer(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path / "log.db") as log:
        log.create_topic("counts", 4)
        await log.append([Record(topic="notices", key=b"k", value=b"fatal")])
        (place,) = await log.append([Record(topic="notices", key=b"other", value=b"1")])
        fatal = partition_of(b"k", 4)
        assert place.partition != fatal

        worker = start_worker(log)
        try:
            wait_for_count(log, "counts", 1, worker)
            worker.terminate()
            worker.wait(20)
        finally:
            end([worker])

        assert log.committed("counting", "notices", place.partition) == 1
        assert log.committed("counting", "notices", fatal) == 0
