"""What is said of a real Cassandra before the product relies on it; nothing changes there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from connectors.history.cassandra.migrating import SCHEMA_VERSION
from connectors.history.opening import look_at, make_at
from ops.check import check
from ops.cli import main
from ops.cql.files import history_migrations
from ops.settings import Settings
from ops.stack.server import free_port
from streams.domain.errors import Conflict, CorruptState, Unavailable
from tests.history_engines import an_open_history
from tests.history_keyspaces import RETENTION_DAYS, Keyspaces, an_empty_keyspace
from tests.real_engines import fresh_name

pytestmark = pytest.mark.integration

CLASS = "'class': 'NetworkTopologyStrategy'"
SIMPLE = "{'class': 'SimpleStrategy', 'replication_factor': 1}"


@pytest.fixture
def made(pool: Keyspaces) -> str:
    """A keyspace whose two copies of each row this one node cannot keep, and that has no tables."""
    keyspace = fresh_name("copies")
    pool.execute(f"CREATE KEYSPACE {keyspace} WITH replication = {{{CLASS}, 'datacenter1': 2}}")
    return keyspace


def look(url: str) -> str:
    return look_at(url, history_migrations(), retention_days=RETENTION_DAYS)


def setup(url: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("KESHIKOMI_HISTORY", url)
    return main(["setup", "--data", str(data)])


async def test_a_check_tells_what_setup_will_make_and_makes_nothing(
    pool: Keyspaces, tmp_path: Path
) -> None:
    keyspace = fresh_name("untouched")
    settings = Settings(data=tmp_path, port=free_port(), history=pool.url(keyspace))

    (found,) = [each for each in await check(settings) if each.name == "history"]

    assert not found.is_fault
    assert re.fullmatch(
        rf"Cassandra 5\S+ answers, with 1 node in datacenter1; "
        rf"`keshikomi setup` makes the keyspace {keyspace}",
        found.sentence,
    )
    there = {row[0] for row in pool.execute("DESCRIBE KEYSPACES")}
    assert "system" in there
    assert keyspace not in there


def test_a_keyspace_that_is_up_to_date_can_be_read(request: pytest.FixtureRequest) -> None:
    url = an_empty_keyspace(request)

    assert look(url).endswith("can be read")
    assert look(f"{url}?replication=1").endswith("can be read")


def test_copies_that_were_not_asked_for_are_named_with_what_mends_them(
    pool: Keyspaces, made: str
) -> None:
    assert look(pool.url(made)).endswith(f"makes the tables of the keyspace {made}")

    with pytest.raises(Conflict) as refused:
        look(f"{pool.url(made)}?replication=1")

    assert f"{made} has the replication {{{CLASS}, 'datacenter1': '2'}}" in str(refused.value)
    assert "asks for 1 in datacenter1" in str(refused.value)
    pool.execute(statement_of(refused.value))
    assert look(f"{pool.url(made)}?replication=1")


def test_a_keyspace_that_does_not_count_by_data_centre_is_no_answer_to_one_that_does(
    pool: Keyspaces,
) -> None:
    keyspace = fresh_name("simple")
    pool.execute(f"CREATE KEYSPACE {keyspace} WITH replication = {SIMPLE}")
    assert look(pool.url(keyspace))

    with pytest.raises(Conflict, match="SimpleStrategy") as refused:
        look(f"{pool.url(keyspace)}?replication=1")

    pool.execute(statement_of(refused.value))
    assert look(f"{pool.url(keyspace)}?replication=1")


def statement_of(error: Exception) -> str:
    """The statement that the operator is told to run."""
    return str(re.findall(r"`(ALTER KEYSPACE [^`]+)`", str(error))[0])


def test_more_copies_than_nodes_are_a_fault_also_before_there_is_a_keyspace(
    pool: Keyspaces,
) -> None:
    with pytest.raises(Conflict, match=r"has 1 node in datacenter1, and .* asks for 3 copies"):
        look(f"{pool.url(fresh_name('wide'))}?replication=3")


async def test_another_data_centre_is_named_also_by_history_itself(pool: Keyspaces) -> None:
    url = f"{pool.url(fresh_name('far'))}?dc=tokyo"

    with pytest.raises(Unavailable, match="no data centre tokyo, but datacenter1"):
        await asyncio.to_thread(look, url)
    async with an_open_history(url) as history:
        with pytest.raises(Unavailable, match="no data centre tokyo, but datacenter1"):
            await history.command("req_none")


def test_a_schema_of_a_newer_version_is_a_fault(pool: Keyspaces, made: str) -> None:
    pool.execute(
        f"CREATE TABLE {made}.migrations (version int PRIMARY KEY, name text, digest text)"
    )
    pool.execute(f"ALTER KEYSPACE {made} WITH replication = {{{CLASS}, 'datacenter1': 1}}")
    assert look(pool.url(made)).endswith(f"makes the tables of the keyspace {made}")

    pool.execute(
        f"INSERT INTO {made}.migrations (version, digest) VALUES (%s, 'x')",  # noqa: S608  # our name
        SCHEMA_VERSION + 1,
    )
    with pytest.raises(CorruptState, match=f"schema {SCHEMA_VERSION + 1}; this version reads"):
        look(pool.url(made))


def test_setup_makes_the_keyspace_and_refuses_one_that_differs(
    pool: Keyspaces,
    made: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert setup(f"{pool.url(made)}?replication=1", tmp_path, monkeypatch) == 1
    assert f"ALTER KEYSPACE {made}" in capsys.readouterr().err
    assert not tables_of(pool, made)

    fresh = fresh_name("setup")
    assert setup(f"{pool.url(fresh)}?replication=1", tmp_path, monkeypatch) == 0
    assert f"the keyspace {fresh} has all its tables\n" in capsys.readouterr().out
    assert look_at(
        f"{pool.url(fresh)}?replication=1", history_migrations(), retention_days=400
    ).endswith("can be read")


def test_a_check_names_a_retention_that_is_shorter_and_tells_one_that_is_longer(
    pool: Keyspaces,
) -> None:
    keyspace = fresh_name("retained")
    url, migrations = pool.url(keyspace), history_migrations()
    make_at(url, migrations, retention_days=30)
    found = f"the keyspace {keyspace} keeps events and attempts for 30 days, and "

    assert look_at(url, migrations, retention_days=30).endswith("can be read")
    assert look_at(url, migrations, retention_days=29).endswith(
        f"{found}KESHIKOMI_HISTORY_RETENTION_DAYS says 29 days; `keshikomi setup` alters it"
    )
    with pytest.raises(Conflict, match=f"{found}.* says 31 days; `keshikomi setup` alters it"):
        look_at(url, migrations, retention_days=31)


def test_all_faults_of_a_cluster_are_named_at_once(pool: Keyspaces) -> None:
    keyspace = fresh_name("faulty")
    url, migrations = pool.url(keyspace), history_migrations()
    make_at(url, migrations, retention_days=30)

    with pytest.raises(Conflict) as refused:
        look_at(f"{url}?replication=3", migrations, retention_days=31)

    for fault in ("has 1 node in", f"ALTER KEYSPACE {keyspace}", "says 31 days"):
        assert fault in str(refused.value)


def tables_of(pool: Keyspaces, keyspace: str) -> list[object]:
    return pool.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", keyspace
    )
