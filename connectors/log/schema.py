"""The one SQLite file behind the embedded log: its tables, its version and how to open it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from connectors.log.gate import Gate
from streams.domain.errors import CorruptState

SCHEMA_VERSION = 2
APPLICATION_ID = 0x4B455348  # "KESH": tells this file from any other SQLite file

BUSY_TIMEOUT_MS = 10_000
WRITER_CACHE_KIB = 32 * 1024
READER_CACHE_KIB = 8 * 1024
WAL_PAGES_BACKSTOP = 32_768
"""A commit checkpoints by itself only when the log file passed 128 MiB of 4 KiB pages."""
WAL_BYTES_KEPT = 16 * 1024 * 1024
STATEMENTS_CACHED = 256

# One integer names a record (see `places`), so a row lives in an ordinary table leaf: a table
# WITHOUT ROWID would push every value above about 1 KB into an overflow page of its own. For the
# same reason the rows of tables have a rowid: an invoice costs a third to a fifth of the work.
_TABLES = """
CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    compacted INTEGER NOT NULL,
    is_table INTEGER NOT NULL,
    retention_seconds INTEGER
);
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    topic_id INTEGER NOT NULL REFERENCES topics (id),
    number INTEGER NOT NULL,
    UNIQUE (topic_id, number)
);
CREATE TABLE log (
    place INTEGER PRIMARY KEY,
    timestamp_ms INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    headers BLOB
);
CREATE TABLE table_rows (
    partition_id INTEGER NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (partition_id, key)
);
CREATE TABLE ends (
    partition_id INTEGER PRIMARY KEY,
    next_offset INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL
);
CREATE TABLE positions (
    group_name TEXT NOT NULL,
    partition_id INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_name, partition_id)
) WITHOUT ROWID;
CREATE TABLE compactions (
    partition_id INTEGER PRIMARY KEY,
    clean_to INTEGER NOT NULL,
    kept INTEGER NOT NULL
);
"""


def connect(
    path: Path, *, read_only: bool = False, durable: bool = True, busy_ms: int = BUSY_TIMEOUT_MS
) -> sqlite3.Connection:
    """A connection to the log file; transactions are written out by the caller.

    A connection that is not durable may lose its last commits in a power cut but never tears
    them: good enough for deleting what is no longer needed.
    """
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED,
    )
    cache_kib = READER_CACHE_KIB if read_only else WRITER_CACHE_KIB
    connection.execute(f"PRAGMA busy_timeout = {busy_ms}")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_BACKSTOP}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def prepare_file(path: Path, gate: Gate) -> None:
    """Create the tables in a new file, or refuse a file that another version wrote."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # payments are in it; SQLite gives its other files the same mode
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        with gate.held():
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                _create(connection)
            else:
                _check(connection, path, version)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        message = f"{path} is not a log file"
        raise CorruptState(message) from error
    finally:
        connection.close()


def _create(connection: sqlite3.Connection) -> None:
    connection.executescript(
        f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID};"
        f"PRAGMA user_version = {SCHEMA_VERSION}; {_TABLES} COMMIT;"
    )


def _check(connection: sqlite3.Connection, path: Path, version: int) -> None:
    application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if application_id != APPLICATION_ID:
        message = f"{path} is a SQLite file of another application"
        raise CorruptState(message)
    if version != SCHEMA_VERSION:
        message = f"{path} has log schema {version}; this version reads {SCHEMA_VERSION}"
        raise CorruptState(message)
