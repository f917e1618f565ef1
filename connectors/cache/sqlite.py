"""The shared cache on one SQLite file: what was remembered outlives the process, and `kill -9`.

A commit goes to the operating system and not to the disk (WAL, `synchronous = NORMAL`): a loss of
power may lose the last moments, which a cache may.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from connectors.cache.memory import MemoryCache
from connectors.log.gate import Gate
from streams.clock import system_clock
from streams.domain.errors import Unavailable

R = TypeVar("R")

ENTRIES_MAX = 200_000
BYTES_MAX = 256 * 1024 * 1024
BUSY_TIMEOUT_MS = 5_000
ENDED_PER_PUT_MAX = 100
"""So many that have ended are deleted with each put: more than come, and never a long pause."""
WAL_BYTES_KEPT = 4 * 1024 * 1024
APPLICATION_ID = 0x4B534843  # "KSHC": tells this file from the log, history and any other
SCHEMA_VERSION = 1

_TABLES = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    ends REAL NOT NULL,
    value BLOB NOT NULL
);
CREATE INDEX entries_of_owner ON entries (owner, number);
CREATE INDEX entries_that_end ON entries (ends);
CREATE TABLE owners (
    owner TEXT PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER entries_in AFTER INSERT ON entries BEGIN
    INSERT INTO owners VALUES (NEW.owner, 1, length(NEW.value)) ON CONFLICT (owner)
        DO UPDATE SET entries = entries + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER entries_out AFTER DELETE ON entries BEGIN
    UPDATE owners SET entries = entries - 1, bytes = bytes - length(OLD.value)
        WHERE owner = OLD.owner;
    DELETE FROM owners WHERE owner = OLD.owner AND entries = 0;
END;
"""
_FORGET_ENDED = f"""
DELETE FROM entries WHERE number IN
    (SELECT number FROM entries WHERE ends <= ? ORDER BY ends LIMIT {ENDED_PER_PUT_MAX})
"""  # noqa: S608  # a number of ours
_FORGET_OLDEST = """
DELETE FROM entries WHERE number = (SELECT min(number) FROM entries WHERE owner =
    (SELECT owner FROM owners ORDER BY iif(?, bytes, entries) DESC, owner LIMIT 1))
"""


def wall_seconds() -> float:
    """The time that goes on while no process runs."""
    return system_clock().timestamp()


class SqliteCache:
    """Values that end after a time; what is too much goes from whoever holds most, oldest first."""

    def __init__(
        self,
        path: Path,
        *,
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = BYTES_MAX,
        seconds: Callable[[], float] = wall_seconds,
        buckets: MemoryCache | None = None,
    ) -> None:
        """Nothing is opened before it is used: those who need no cache do not depend on it.

        Every method but `take` raises `Unavailable` when the file cannot be opened or is another.
        """
        self._entries_max, self._bytes_max, self._seconds = entries_max, bytes_max, seconds
        self._path = path
        self._opened: sqlite3.Connection | None = None
        # Tokens are counted for each call, and a restart that gives them back does no harm.
        self._buckets = buckets or MemoryCache()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cache")

    async def get(self, key: str) -> bytes | None:
        """The value, unless it was never put, has ended or was forgotten."""
        return await self._run(partial(self._get, key))

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values that `get` would give, by their keys."""
        found = await self._run(lambda: {key: self._get(key) for key in keys})
        return {key: value for key, value in found.items() if value is not None}

    async def put(self, key: str, value: bytes, *, seconds: float, owner: str = "") -> None:
        """Remember a value for so many seconds, in place of what was there."""
        await self._run(partial(self._put, key, value, owner, self._seconds() + seconds))

    async def claim(
        self, key: str, value: bytes, *, seconds: float, owner: str = ""
    ) -> bytes | None:
        """Put a value unless there is one: None when it is put, else the value that is there."""
        ends = self._seconds() + seconds
        return await self._run(partial(self._put, key, value, owner, ends, unless_there=True))

    async def take(self, bucket: str, *, per_second: float, burst: int) -> float:
        """Take one token: 0 when there was one, else the seconds until there will be."""
        return await self._buckets.take(bucket, per_second=per_second, burst=burst)

    async def close(self) -> None:
        """Finish what was begun and let the file go."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._opened is not None:
            self._opened.close()

    async def _run(self, work: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = _open(self._path)
        return self._opened

    def _get(self, key: str) -> bytes | None:
        with _engine_errors():
            row = self._connection.execute(
                "SELECT value FROM entries WHERE key = ? AND ends > ?", (key, self._seconds())
            ).fetchone()
        return bytes(row[0]) if row else None

    def _put(
        self, key: str, value: bytes, owner: str, ends: float, *, unless_there: bool = False
    ) -> bytes | None:
        with _engine_errors():
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                if unless_there and (there := self._get(key)) is not None:
                    return there
                connection.execute(_FORGET_ENDED, (self._seconds(),))
                connection.execute("DELETE FROM entries WHERE key = ?", (key,))
                connection.execute(
                    "INSERT INTO entries (key, owner, ends, value) VALUES (?, ?, ?, ?)",
                    (key, owner, ends, value),
                )
                self._keep_bounds()
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        return None

    def _keep_bounds(self) -> None:
        while True:
            entries, held = self._connection.execute(
                "SELECT ifnull(sum(entries), 0), ifnull(sum(bytes), 0) FROM owners"
            ).fetchone()
            if entries <= self._entries_max and held <= self._bytes_max:
                return
            self._connection.execute(_FORGET_OLDEST, (held > self._bytes_max,))


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise Unavailable(f"cache: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # It holds sealed answers, and who asked: for this user only.
        path.touch(mode=0o600)
        gate = Gate(path.with_name(f"{path.name}.gate"))
    except OSError as error:
        raise Unavailable(f"the cache cannot be made at {path}: {error}") from error
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        # A file becomes one with a WAL only while nobody else looks, and SQLite does not wait.
        with closing(gate), gate.held():
            _prepare(connection, path)
    except (sqlite3.DatabaseError, Unavailable):
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have made the tables meanwhile.
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            for statement in _statements():
                connection.execute(statement)
        connection.execute("COMMIT")
    found = tuple(
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("application_id", "user_version")
    )
    if found != (APPLICATION_ID, SCHEMA_VERSION):
        raise Unavailable(f"cache: {path} is a file of another application or version")


def _statements() -> Iterator[str]:
    """The statements of the tables; `executescript` would end our transaction."""
    statement = ""
    for line in _TABLES.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
