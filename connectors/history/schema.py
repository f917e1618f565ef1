"""The one SQLite file behind history: its tables, its version and how to open it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from connectors.history.installations import INSTALLATION
from connectors.history.schema_replays import REPLAYS
from connectors.log.gate import Gate
from streams.domain.errors import CorruptState, Unavailable

APPLICATION_ID = 0x4B534849  # "KSHI": tells this file from a log file and from any other

BUSY_TIMEOUT_MS = 10_000
WRITER_CACHE_KIB = 64 * 1024
READER_CACHE_KIB = 16 * 1024
WAL_PAGES_BEFORE_CHECKPOINT = 4_096
WAL_BYTES_KEPT = 32 * 1024 * 1024

# Times are microseconds since 1970. What is updated often is in small rows WITHOUT ROWID; texts
# of a kilobyte and more are in ordinary tables, whose leaves hold them better, and in tables of
# their own, so that a change of state does not write them again.
_TABLES = """
CREATE TABLE registrations (
    invoice_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    invoice_number TEXT NOT NULL,
    content TEXT NOT NULL,
    terms TEXT NOT NULL,
    UNIQUE (merchant_id, invoice_number)
);
CREATE TABLE claims (
    account_id TEXT NOT NULL,
    reference TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    PRIMARY KEY (account_id, reference)
) WITHOUT ROWID;
CREATE TABLE invoices (
    invoice_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    invoice_number TEXT NOT NULL,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    shown TEXT NOT NULL
);
CREATE INDEX invoices_by_age ON invoices (merchant_id, created_us, invoice_id);
CREATE INDEX invoices_by_status ON invoices (merchant_id, status, created_us, invoice_id);
CREATE INDEX invoices_by_number ON invoices (merchant_id, invoice_number, created_us, invoice_id);
CREATE TABLE commands (
    request_id TEXT PRIMARY KEY,
    refused TEXT NOT NULL,
    at_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX commands_by_age ON commands (at_us);

CREATE TABLE notices (
    notice_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    state TEXT NOT NULL,
    precedence INTEGER NOT NULL,
    heard INTEGER NOT NULL,
    received_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX notices_waiting ON notices (merchant_id, received_us, notice_id)
    WHERE state = 'unmatched';
CREATE INDEX notices_finished ON notices (changed_us) WHERE state IN ('matched', 'noted');
CREATE TABLE raw_notices (notice_id TEXT PRIMARY KEY, message TEXT NOT NULL);
CREATE TABLE held_notices (notice_id TEXT PRIMARY KEY, message TEXT NOT NULL);
CREATE TABLE settlements (
    notice_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    decided_us INTEGER NOT NULL,
    settlement TEXT NOT NULL,
    PRIMARY KEY (notice_id, invoice_id)
);
CREATE TABLE repeats (
    notice_id TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (notice_id, partition, "offset")
) WITHOUT ROWID;
CREATE INDEX repeats_by_age ON repeats (at_us);

CREATE TABLE events (
    event_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    type TEXT NOT NULL,
    invoice_id TEXT,
    recorded_us INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX events_feed ON events (merchant_id, position, type);
CREATE INDEX events_by_age ON events (recorded_us);

CREATE TABLE deliveries (
    delivery_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    started INTEGER NOT NULL,
    status TEXT NOT NULL,
    standing INTEGER NOT NULL,
    round INTEGER NOT NULL,
    next_attempt_us INTEGER,
    changed_us INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX deliveries_by_age ON deliveries (merchant_id, created_us, delivery_id);
CREATE INDEX deliveries_by_endpoint
    ON deliveries (merchant_id, endpoint_id, created_us, delivery_id);
CREATE INDEX deliveries_by_event ON deliveries (merchant_id, event_id, created_us, delivery_id);
CREATE INDEX deliveries_unfinished ON deliveries (merchant_id, status, created_us, delivery_id)
    WHERE status != 'delivered';
CREATE INDEX deliveries_finished ON deliveries (changed_us)
    WHERE status IN ('delivered', 'failed');
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL,
    round INTEGER NOT NULL,
    number INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (delivery_id, round, number)
);

CREATE TABLE quarantine (
    quarantine_id TEXT PRIMARY KEY,
    notice_id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    retried_us INTEGER,
    message TEXT NOT NULL
);
CREATE INDEX quarantine_by_age ON quarantine (at_us, quarantine_id);
CREATE TABLE archived (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
"""

_TALLIES_TABLE = """
CREATE TABLE tallies (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID;
"""

# What is counted, as (table, expression for the tally's name, NULL for rows that do not count).
_TALLIED = (
    ("notices", "'notices ' || {row}.state", "state"),
    ("notices", "iif({row}.heard AND {row}.state != 'noted', 'heard', NULL)", "heard, state"),
    ("deliveries", "'deliveries ' || {row}.status", "status"),
    ("deliveries", "iif({row}.started, 'notified', NULL)", "started"),
    ("events", "'events'", ""),
    ("repeats", "'repeats'", ""),
)


FINISHED = "status IN ('delivered', 'failed', 'superseded')"
"""Deliveries that retention may remove; it finds them by the index with these very words."""

# A file of before has no numbers; where all of one are 0 the index is empty.
_SEQUENCES = """
ALTER TABLE deliveries ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
CREATE INDEX deliveries_by_sequence ON deliveries (endpoint_id, sequence) WHERE sequence > 0;
DROP INDEX deliveries_finished;
CREATE INDEX deliveries_finished ON deliveries (changed_us)
    WHERE status IN ('delivered', 'failed', 'superseded');
"""

# What waits for an acknowledgement goes with it; what nobody ever acknowledges goes by its age.
_ACKNOWLEDGEMENTS = """
CREATE TABLE acknowledgements (
    event_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    released_us INTEGER,
    PRIMARY KEY (event_id, endpoint_id)
) WITHOUT ROWID;
CREATE INDEX acknowledgements_by_age ON acknowledgements (at_us);
CREATE TABLE unacknowledged (
    endpoint_id TEXT NOT NULL,
    made_us INTEGER NOT NULL,
    delivery_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    since_us INTEGER NOT NULL,
    PRIMARY KEY (endpoint_id, made_us, delivery_id)
) WITHOUT ROWID;
CREATE INDEX unacknowledged_by_event ON unacknowledged (event_id);
CREATE INDEX unacknowledged_by_age ON unacknowledged (since_us);
"""


def _tallies() -> str:
    """Triggers that count in the statement that changes a row, so no code path can forget it."""
    statements = [_TALLIES_TABLE]
    for number, (table, name, columns) in enumerate(_TALLIED):
        new, old = name.format(row="NEW"), name.format(row="OLD")
        more = (
            f"INSERT INTO tallies SELECT {new}, 1 WHERE {new} IS NOT NULL"
            " ON CONFLICT (name) DO UPDATE SET number = number + 1;"
        )
        less = f"UPDATE tallies SET number = number - 1 WHERE name = {old};"  # noqa: S608  # from the table above
        statements += [
            f"CREATE TRIGGER tally_{number}_in AFTER INSERT ON {table} BEGIN {more} END;",
            f"CREATE TRIGGER tally_{number}_out AFTER DELETE ON {table} BEGIN {less} END;",
        ]
        if columns:
            statements.append(
                f"CREATE TRIGGER tally_{number}_move AFTER UPDATE OF {columns} ON {table}"
                f" WHEN {new} IS NOT {old} BEGIN {less} {more} END;"
            )
    return "\n".join(statements)


MIGRATIONS = (_TABLES + _tallies(), _SEQUENCES, REPLAYS, _ACKNOWLEDGEMENTS, INSTALLATION)
"""Each brings a file to the schema of its number, from 1 on, and is never changed afterwards."""
SCHEMA_VERSION = len(MIGRATIONS)


def connect(
    path: Path, *, read_only: bool = False, busy_ms: int = BUSY_TIMEOUT_MS
) -> sqlite3.Connection:
    """A connection to the history file; transactions are written out by the caller."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    cache_kib = READER_CACHE_KIB if read_only else WRITER_CACHE_KIB
    connection.execute(f"PRAGMA busy_timeout = {busy_ms}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_BEFORE_CHECKPOINT}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def prepare_file(path: Path, gate: Gate) -> None:
    """Bring a file that is new, or of an older version, to this schema; refuse all others."""
    try:
        # It holds names of customers and all that channels said: for this user only.
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise Unavailable(f"history cannot be opened at {path}: {error}") from error
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        with gate.held():
            _create_or_check(connection, path)
    except sqlite3.OperationalError as error:
        raise Unavailable(f"history cannot be opened at {path}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise CorruptState(f"{path} is not a history file: {error}") from error
    finally:
        connection.close()


def _create_or_check(connection: sqlite3.Connection, path: Path) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, version)
        return
    application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if application_id != APPLICATION_ID:
        raise CorruptState(f"{path} is a SQLite file of another application")
    if not 0 < version <= SCHEMA_VERSION:
        raise CorruptState(
            f"{path} has history schema {version}; this version reads {SCHEMA_VERSION}"
        )
    if version < SCHEMA_VERSION:
        _migrate(connection, version)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    connection.executescript(
        f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID};"
        f"PRAGMA user_version = {SCHEMA_VERSION}; {''.join(MIGRATIONS[version:])} COMMIT;"
    )
