"""The schema of history on a real Cassandra: made, migrated by one at a time, and checked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.history.cassandra.migrating import SCHEMA_VERSION
from connectors.history.opening import make_at, open_history
from ops.cql.files import history_migrations
from ops.engines import existing, open_log
from ops.settings import read
from ops.stack.cassandra import CassandraServer
from streams.domain.delivery import DeliveryStatus
from streams.domain.errors import CorruptState, Unavailable
from tests.builders import MERCHANT, a_delivery, a_notification
from tests.history_engines import an_open_history, archived
from tests.history_keyspaces import Keyspaces
from tests.message_builders import a_deliveries_started
from tests.real_engines import fresh_name

pytestmark = pytest.mark.integration


async def test_a_keyspace_that_nobody_made_is_unavailable_until_somebody_does(
    cassandra_server: CassandraServer,
) -> None:
    url = f"cassandra://{cassandra_server.address}/{fresh_name('late')}"
    async with an_open_history(url) as history:
        with pytest.raises(
            Unavailable, match=r"late_.* is not made yet; `keshikomi setup` makes it"
        ):
            await history.command("req_none")

        maker = open_history(url, migrations=history_migrations())
        assert await maker.command("req_none") is None
        await maker.close()

        assert await history.command("req_none") is None


async def test_several_processes_may_migrate_at_once_and_again(
    cassandra_server: CassandraServer, pool: Keyspaces
) -> None:
    keyspace = fresh_name("shared")
    url = f"cassandra://{cassandra_server.address}/{keyspace}"
    ways = [open_history(url, migrations=history_migrations(), retention_days=2) for _ in range(3)]

    assert await asyncio.gather(*(way.command("req_none") for way in ways)) == [None] * 3

    for way in ways:
        await way.close()
    versions = pool.execute(f"SELECT version FROM {keyspace}.migrations")  # noqa: S608  # our name
    assert sorted(versions) == [(number,) for number in range(1, SCHEMA_VERSION + 1)]
    assert lives(pool, keyspace) == {2 * 86_400}


@pytest.mark.parametrize("days", [1, 3])
async def test_setup_alone_alters_how_long_rows_live(
    pool: Keyspaces, caplog: pytest.LogCaptureFixture, days: int
) -> None:
    keyspace = fresh_name("lives")
    url, migrations = pool.url(keyspace), history_migrations()
    made = f"the keyspace {keyspace} has all its tables"
    assert make_at(url, migrations, retention_days=2) == [made]
    assert make_at(url, migrations, retention_days=2) == []

    another = open_history(url, migrations=migrations, retention_days=days)
    await another.command("req_none")
    await another.close()

    differs = (
        f"the keyspace {keyspace} keeps events and attempts for 2 days, and "
        f"KESHIKOMI_HISTORY_RETENTION_DAYS says {days} days"
    )
    assert lives(pool, keyspace) == {2 * 86_400}
    assert f"history: {differs}; `keshikomi setup` alters it, and nothing else does" in caplog.text
    assert make_at(url, migrations, retention_days=days) == [f"{differs}: this holds from now on"]
    assert lives(pool, keyspace) == {days * 86_400}


async def test_who_only_looks_alters_nothing(
    cassandra_server: CassandraServer, pool: Keyspaces, tmp_path: Path
) -> None:
    keyspace = fresh_name("looked_at")
    url = f"cassandra://{cassandra_server.address}/{keyspace}"
    maker = open_history(url, migrations=history_migrations(), retention_days=3)
    await maker.command("req_none")
    await maker.close()
    shell = read(
        {
            "KESHIKOMI_DATA": str(tmp_path),
            "KESHIKOMI_HISTORY": url,
            "KESHIKOMI_HISTORY_RETENTION_DAYS": "2",
        },
        {},
    )
    await open_log(shell).close()

    async with existing(shell) as (_, history):
        assert await history.command("req_none") is None

    assert lives(pool, keyspace) == {3 * 86_400}


def lives(pool: Keyspaces, keyspace: str) -> set[int]:
    """How long rows stay, of all tables whose rows go by themselves."""
    rows = pool.execute(
        "SELECT default_time_to_live FROM system_schema.tables WHERE keyspace_name = %s",
        keyspace,
    )
    return {seconds for (seconds,) in rows if seconds}


async def test_whoever_migrates_is_waited_for(
    cassandra_server: CassandraServer, pool: Keyspaces
) -> None:
    keyspace = fresh_name("locked")
    url = f"cassandra://{cassandra_server.address}/{keyspace}"
    maker = open_history(url, migrations=history_migrations(), retention_days=2)
    await maker.command("req_none")
    await maker.close()
    table = f"{keyspace}.migrations"
    pool.execute(f"INSERT INTO {table} (version, name) VALUES (0, 'dead') USING TTL 2")  # noqa: S608  # our name
    setup = asyncio.to_thread(make_at, url, history_migrations(), retention_days=3)
    waiting = asyncio.create_task(setup)
    while not waiting.done():
        seen = await asyncio.to_thread(lives, pool, keyspace)
        if pool.execute(f"SELECT name FROM {table} WHERE version = 0") == [("dead",)]:  # noqa: S608  # our name
            assert seen == {2 * 86_400}

    await waiting
    assert lives(pool, keyspace) == {3 * 86_400}


async def test_a_keyspace_of_the_first_version_is_brought_to_this_one(
    cassandra_server: CassandraServer, pool: Keyspaces
) -> None:
    keyspace = fresh_name("older")
    url = f"cassandra://{cassandra_server.address}/{keyspace}"
    first = open_history(url, migrations=history_migrations()[:1], retention_days=2)
    await first.command("req_none")
    await first.close()
    old, new = a_delivery(), a_delivery(notification=a_notification(cause="new"), sequence=1)
    pool.execute(
        f"INSERT INTO {keyspace}.deliveries (delivery_id, merchant_id, endpoint_id, event_id,"  # noqa: S608  # our name
        " event_type, created_us, started, status, round) VALUES (%s, %s, %s, %s, %s, 1, true,"
        " 'failed', 0)",
        *(old.delivery_id, MERCHANT, old.endpoint_id, old.notification_id, "invoice.paid"),
    )

    history = open_history(url, migrations=history_migrations(), retention_days=1)
    await history.store(archived(a_deliveries_started(deliveries=(new,))))

    kept = await history.delivery(MERCHANT, old.delivery_id)
    assert kept is not None
    assert (kept.status, kept.sequence) == (DeliveryStatus.FAILED, 0)
    assert await history.last_sequence(MERCHANT, new.endpoint_id) == 1
    assert lives(pool, keyspace) == {2 * 86_400}
    await history.close()


async def test_a_schema_of_a_newer_version_or_of_another_file_is_refused(
    cassandra_server: CassandraServer, pool: Keyspaces
) -> None:
    keyspace = fresh_name("other")
    url = f"cassandra://{cassandra_server.address}/{keyspace}"
    maker = open_history(url, migrations=history_migrations())
    await maker.command("req_none")
    await maker.close()

    *before, last = history_migrations()
    changed = open_history(url, migrations=[*before, replace(last, cql=last.cql + "\n")])
    with pytest.raises(CorruptState, match="is not the file that was applied"):
        await changed.command("req_none")
    await changed.close()
    pool.execute(
        f"INSERT INTO {keyspace}.migrations (version, digest) VALUES (%s, 'x')",  # noqa: S608  # our name
        SCHEMA_VERSION + 1,
    )
    for migrations in ((), history_migrations()):
        newer = open_history(url, migrations=migrations)
        with pytest.raises(CorruptState, match=f"schema {SCHEMA_VERSION + 1}; this version reads"):
            await newer.command("req_none")
        await newer.close()
