"""Bringing a keyspace to the schema of this version: once each, in order, one process at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from cassandra.query import ValueSequence  # type: ignore[import-untyped]  # no type hints

from connectors.history.cassandra.address import Address
from connectors.history.cassandra.lives import WITH_RETENTION, lives_of, longest
from connectors.history.cassandra.replicating import replication_of
from connectors.history.cassandra.turn import Turn
from connectors.history.migration import Migration
from streams.domain.errors import CorruptState, Unavailable

SCHEMA_VERSION = 5
SCHEMA_SECONDS_MAX = 60.0
PAUSE_SECONDS = 0.25
TRIES_MAX = 600

_APPLIED = "INSERT INTO migrations (version, name, digest) VALUES (%s, %s, %s)"


def migrate(
    session: Any,
    address: Address,
    migrations: Sequence[Migration],
    *,
    ttl_seconds: int,
    exactly: bool = False,
) -> set[int]:
    """Make the keyspace and apply what is missing. Blocks; returns how long rows live, in seconds.

    That is `ttl_seconds` in tables that are made now. Those that are there keep theirs, which a
    new one beside them takes over, unless it is meant `exactly`: another machine may have other
    settings, and what its rows would lose by a shorter life is gone.

    Raises `CorruptState` when a newer version, or another file of the same number, was applied,
    and `Unavailable` when another process is at it for long, or took the turn that was ours.
    """
    _make_keyspace(session, address)
    turn = Turn(session)
    for _ in range(TRIES_MAX):
        if is_up_to_date(session, migrations):
            lives = lives_of(session, address)
            if not exactly or lives == {ttl_seconds}:
                return lives
        if turn.take():
            try:
                for statement, values in _missing(
                    session, address, migrations, ttl_seconds, exactly=exactly
                ):
                    turn.keep()
                    session.execute(statement, values, timeout=SCHEMA_SECONDS_MAX)
            finally:
                turn.give_back()
        else:
            time.sleep(PAUSE_SECONDS)
    raise Unavailable("history: another process is still migrating")


def _make_keyspace(session: Any, address: Address) -> None:
    """Nothing is tried that is there already: a process may lack the right to make it."""
    known = session.cluster.metadata.keyspaces.get(address.keyspace)
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


def _missing(
    session: Any,
    address: Address,
    migrations: Sequence[Migration],
    ttl_seconds: int,
    *,
    exactly: bool,
) -> Iterator[tuple[str, Sequence[object] | None]]:
    """The statements that bring a keyspace up to date, each to be run before the next is asked."""
    applied, lives = _applied(session), lives_of(session, address)
    life = ttl_seconds if exactly or not lives else longest(lives)
    for migration in migrations:
        if migration.version not in applied:
            for statement in migration.statements(ttl_seconds=life):
                yield statement, None
            yield _APPLIED, (migration.version, migration.name, _digest(migration))
    alters = exactly and lives_of(session, address) != {ttl_seconds}
    for table in WITH_RETENTION if alters else ():
        yield f"ALTER TABLE {table} WITH default_time_to_live = {ttl_seconds}", None


def check_version(session: Any, address: Address) -> None:
    """Raise `Unavailable` when the keyspace is not migrated yet, `CorruptState` when too far."""
    known = session.cluster.metadata.keyspaces.get(address.keyspace)
    if known is None or "migrations" not in known.tables:
        raise Unavailable(
            f"history: the keyspace {address.keyspace} is not made yet; `keshikomi setup` makes it"
        )
    session.set_keyspace(address.keyspace)
    version = max(_applied(session), default=0)
    if version > SCHEMA_VERSION:
        raise _too_new(version)
    if version < SCHEMA_VERSION:
        raise Unavailable(
            f"history: the keyspace {address.keyspace} has schema {version}; `keshikomi setup` "
            f"brings it to {SCHEMA_VERSION}"
        )


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


def _digest(migration: Migration) -> str:
    return hashlib.sha256(migration.cql.encode()).hexdigest()


def _change(session: Any, statement: str) -> None:
    session.execute(statement, timeout=SCHEMA_SECONDS_MAX)
