"""The engines on which the contract of the log is tried, each behind the same few methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from connectors.log.headers import unpack_headers
from connectors.log.sqlitelog import SqliteLog
from streams.ports import Appender
from tests.log_helpers import all_of, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A record as any reader of the log sees it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Engine(Protocol):
    """A log with nothing in it, and what a test may ask of it from outside."""

    broker: str
    store: str
    prefix: str
    """What the names of its topics begin with, in the broker and for a worker."""
    repeats_after_a_crash: bool

    @property
    def appender(self) -> Appender: ...
    def create_topic(self, name: str, partitions: int) -> None: ...
    def read(self, topic: str) -> Sequence[Seen]: ...
    def rows(self, changelog: str) -> dict[bytes, bytes]: ...
    def ends(self, topic: str) -> list[int]: ...
    def positions(self, group: str, topic: str) -> list[int]: ...


class SqliteEngine:
    """The embedded log."""

    store = "sqlitelogrows://"
    prefix = ""
    repeats_after_a_crash = False

    def __init__(self, path: Path) -> None:
        self.broker = f"sqlitelog://{path}"
        self.log = SqliteLog(path, on_failure=None)

    @property
    def appender(self) -> Appender:
        return self.log

    def create_topic(self, name: str, partitions: int) -> None:
        self.log.create_topic(name, partitions)

    def read(self, topic: str) -> Sequence[Seen]:
        if self.log.catalog.find(topic) is None:
            return []
        return [
            Seen(
                partition=partition,
                offset=record.offset,
                key=record.key,
                value=record.value,
                headers=unpack_headers(record.headers),
            )
            for partition in range(self.log.catalog.get(topic).partitions)
            for record in all_of(self.log, topic, partition)
        ]

    def rows(self, changelog: str) -> dict[bytes, bytes]:
        return rows_of(self.log, changelog)

    def ends(self, topic: str) -> list[int]:
        return [self.log.end(topic, n) for n in range(self.log.catalog.get(topic).partitions)]

    def positions(self, group: str, topic: str) -> list[int]:
        partitions = range(self.log.catalog.get(topic).partitions)
        return [self.log.committed(group, topic, number) or 0 for number in partitions]


@contextmanager
def a_sqlite_engine(directory: Path) -> Iterator[Engine]:
    """The embedded log in a directory of the test."""
    engine = SqliteEngine(directory / "log.db")
    try:
        yield engine
    finally:
        engine.log.close()
