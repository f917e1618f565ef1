"""Bringing a keyspace to the schema of this version: once each, in order, one process at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cassandra import WriteTimeout  # type: ignore[import-untyped]  # the driver has no type hints
from cassandra.query import ValueSequence  # type: ignore[import-untyped]  # as above

from connectors.history.cassandra.address import Address
from connectors.history.cassandra.replicating import replication_of
from connectors.history.migration import Migration
from streams.domain.errors import CorruptState, Unavailable

SCHEMA_VERSION = 4
SCHEMA_SECONDS_MAX = 60.0
LOCK_SECONDS_MAX = 120
PAUSE_SECONDS = 0.25
TRIES_MAX = 600

WITH_RETENTION = (
    *("commands", "repeats", "events", "event_places", "attempts"),
    *("deliveries_by_sequence", "replays", "replays_by_endpoint", "delivery_rounds"),
    *("acknowledgements", "unacknowledged_by_day"),
)
"""The tables whose rows need no other reason to go than their age."""


def migrate(
    session: Any, address: Address, migrations: Sequence[Migration], *, ttl_seconds: int
) -> None:
    """Make the keyspace and apply what is missing; set the retention. Blocks.

    Raises `CorruptState` when a newer version, or another file of the same number, was applied.
    """
    known = session.cluster.metadata.keyspaces.get(address.keyspace)
    # Nothing is tried that is there already: a process may lack the right to make it.
    if known is None:
        wanted = replication_of(address, {})
        _change(session, f"CREATE KEYSPACE IF NOT EXISTS {address.keyspace} WITH {wanted}")
    session.set_keyspace(address.keyspace)
    if known is None or "migrations" not in known.tables:
        _change(
            session,
            "CREATE TABLE IF NOT EXISTS migrations"
            " (version int PRIMARY KEY, name text, digest text)",
        )
    for _ in range(TRIES_MAX):
        if is_up_to_date(session, migrations) and _ttls(session, address) == {ttl_seconds}:
            return
        if _lock(session):
            try:
                _bring_up_to_date(session, address, migrations, ttl_seconds)
            finally:
                _unlock(session)
        else:
            time.sleep(PAUSE_SECONDS)
    raise Unavailable("history: another process is still migrating")


def _bring_up_to_date(
    session: Any, address: Address, migrations: Sequence[Migration], ttl_seconds: int
) -> None:
    applied = _applied(session)
    for migration in migrations:
        if migration.version not in applied:
            _apply(session, migration, ttl_seconds)
    for table in WITH_RETENTION if _ttls(session, address) != {ttl_seconds} else ():
        _change(session, f"ALTER TABLE {table} WITH default_time_to_live = {ttl_seconds}")


def check_version(session: Any, address: Address) -> None:
    """Raise `Unavailable` when the keyspace is not migrated yet, `CorruptState` when too far."""
    known = session.cluster.metadata.keyspaces.get(address.keyspace)
    if known is None or "migrations" not in known.tables:
        raise Unavailable(f"history: the keyspace {address.keyspace} is not migrated yet")
    session.set_keyspace(address.keyspace)
    version = max(_applied(session), default=0)
    if version > SCHEMA_VERSION:
        raise _too_new(version)
    if version < SCHEMA_VERSION:
        raise Unavailable(f"history: schema {version} is to be migrated to {SCHEMA_VERSION}")


def is_up_to_date(session: Any, migrations: Sequence[Migration]) -> bool:
    """Whether all were applied; changes nothing, and raises `CorruptState` as `migrate` does."""
    applied = _applied(session)
    newest = max(applied, default=0)
    if newest > migrations[-1].version:
        raise _too_new(newest)
    for migration in migrations:
        if applied.get(migration.version, _digest(migration)) != _digest(migration):
            raise CorruptState(f"{migration.name} is not the file that was applied")
    return len(applied) == len(migrations)


def _too_new(version: int) -> CorruptState:
    return CorruptState(f"history has schema {version}; this version reads {SCHEMA_VERSION}")


def _applied(session: Any) -> dict[int, str]:
    """What was applied, as far as one beyond what we know.

    Asked for by key: then another replica is asked where one that just died does not answer.
    """
    versions = range(1, SCHEMA_VERSION + 2)
    rows = session.execute(
        "SELECT version, digest FROM migrations WHERE version IN %s", [ValueSequence(versions)]
    )
    return dict(rows)


def _ttls(session: Any, address: Address) -> set[int]:
    rows = session.execute(
        "SELECT table_name, default_time_to_live FROM system_schema.tables"
        " WHERE keyspace_name = %s",
        [address.keyspace],
    )
    return {seconds for table, seconds in rows if table in WITH_RETENTION}


def _apply(session: Any, migration: Migration, ttl_seconds: int) -> None:
    for statement in migration.statements(ttl_seconds=ttl_seconds):
        _change(session, statement)
    session.execute(
        "INSERT INTO migrations (version, name, digest) VALUES (%s, %s, %s)",
        [migration.version, migration.name, _digest(migration)],
    )


def _digest(migration: Migration) -> str:
    return hashlib.sha256(migration.cql.encode()).hexdigest()


def _change(session: Any, statement: str) -> None:
    session.execute(statement, timeout=SCHEMA_SECONDS_MAX)


def _lock(session: Any) -> bool:
    """Be the one who migrates; the lock of a process that died goes by itself."""
    if session.execute("SELECT version FROM migrations WHERE version = 0").one() is not None:
        return False
    statement = "INSERT INTO migrations (version) VALUES (0) IF NOT EXISTS USING TTL %s"
    try:
        return bool(session.execute(statement, [LOCK_SECONDS_MAX]).one()[0])
    except WriteTimeout:  # too many tried at once; if it is ours it goes by itself
        return False


def _unlock(session: Any) -> None:
    with suppress(WriteTimeout):
        session.execute("DELETE FROM migrations WHERE version = 0 IF EXISTS")
