"""Builders and processes for the tests of the embedded log."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from connectors.log.bells import Bell
from connectors.log.reader import Stored
from connectors.log.sqlitelog import SqliteLog
from streams.clock import monotonic_seconds
from streams.ports import Record

ROOT = Path(__file__).parent.parent
DEADLINE_SECONDS = 30.0
LOOK_AGAIN_SECONDS = 0.02


def a_record(*, topic: str = "notices", key: str = "k", value: str = "v") -> Record:
    """A record whose key and value are easy to read in a failure."""
    return Record(topic=topic, key=key.encode(), value=value.encode())


@contextmanager
def a_log(path: Path, *, partitions: int = 4, **changes: object) -> Iterator[SqliteLog]:
    """An open log that refuses instead of stopping the process, with one topic."""
    options: dict[str, object] = {"on_failure": None} | changes
    log = SqliteLog(path, **options)  # type: ignore[arg-type]  # each test knows its options
    try:
        log.create_topic("notices", partitions)
        yield log
    finally:
        log.close()


def all_of(log: SqliteLog, topic: str, partition: int) -> list[Stored]:
    """Every record of a partition, read in pieces as a consumer does."""
    found: list[Stored] = []
    offset = 0
    while records := log.fetch(topic, partition, offset, 1000):
        found += records
        offset = records[-1].offset + 1
    return found


def every(log: SqliteLog, topic: str) -> list[Stored]:
    """Every record of a topic, partition by partition."""
    partitions = range(log.catalog.get(topic).partitions)
    return [record for partition in partitions for record in all_of(log, topic, partition)]


def rows_of(log: SqliteLog, topic: str) -> dict[bytes, bytes]:
    """Every durable row of a table with fewer than a thousand in each partition."""
    ids = log.catalog.get(topic).partition_ids
    return {key: value for each in ids for key, value in log.rows.some(each, b"", 1000)}


def count(log: SqliteLog, topic: str) -> int:
    """How many records a topic has ever had."""
    return sum(log.end(topic, number) for number in range(log.catalog.get(topic).partitions))


def wait_for_count(
    log: SqliteLog, topic: str, wanted: int, process: subprocess.Popen[bytes]
) -> None:
    """Wait until a process has written so many records to a topic."""
    wait_until(log, lambda: count(log, topic) >= wanted, process=process)


def wait_until(
    log: SqliteLog,
    condition: Callable[[], bool],
    *,
    process: subprocess.Popen[bytes] | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> None:
    """Look at each ring of the bell until the condition holds; fail at the deadline."""
    bell = log.hang_bell()
    try:
        _look_until(bell, condition, process, monotonic_seconds() + deadline_seconds)
    finally:
        bell.close()


def _look_until(
    bell: Bell,
    condition: Callable[[], bool],
    process: subprocess.Popen[bytes] | None,
    deadline: float,
) -> None:
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the process ended with {process.returncode}")
        if monotonic_seconds() > deadline:
            raise AssertionError("the condition did not come true in time")
        select.select([bell], [], [], LOOK_AGAIN_SECONDS)
        bell.answer()


def start(module: str, *arguments: str, stdout: int | None = None) -> subprocess.Popen[bytes]:
    """A Python process of its own that runs a helper module of the tests."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=stdout,
    )


def end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Kill what still runs and close its pipes."""
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
