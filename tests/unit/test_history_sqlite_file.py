"""The file of history on SQLite: whose it is, how it comes to this version, what is refused."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connectors.history.opening import open_history
from connectors.history.schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION
from connectors.history.sqlite import SqliteHistory
from streams.domain.delivery import DeliveryStatus
from streams.domain.errors import CorruptState, Unavailable
from tests.builders import MERCHANT, NOW, a_delivery, a_notification
from tests.history_engines import archived
from tests.message_builders import a_deliveries_started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
async def history(path: Path) -> AsyncIterator[SqliteHistory]:
    opened = SqliteHistory(path)
    yield opened
    await opened.close()


def test_only_its_user_reads_the_file(history: SqliteHistory, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_another_schema_is_refused_and_named(history: SqliteHistory, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()

    with pytest.raises(CorruptState, match=f"schema {SCHEMA_VERSION + 1}; this version reads"):
        SqliteHistory(path)


async def test_a_file_of_an_older_version_is_brought_to_this_one_with_what_it_holds(
    path: Path,
) -> None:
    a_file_of_the_first_version(path)

    history = SqliteHistory(path)

    old = await history.delivery(MERCHANT, a_delivery().delivery_id)
    assert old is not None
    assert (old.status, old.sequence) == (DeliveryStatus.FAILED, 0)
    new = a_delivery(notification=a_notification(cause="new"), sequence=1)
    await history.store(archived(a_deliveries_started(deliveries=(new,))))
    assert await history.last_sequence(MERCHANT, new.endpoint_id) == 1
    assert (await history.counts()).notified == 2
    assert await history.expire(NOW) == 1
    await history.close()
    reopened = SqliteHistory(path)
    assert await reopened.last_sequence(MERCHANT, new.endpoint_id) == 1
    await reopened.close()


def a_file_of_the_first_version(path: Path) -> None:
    """One that failed, as that version wrote it."""
    old = a_delivery()
    connection = sqlite3.connect(path)
    connection.executescript(
        f"PRAGMA journal_mode = WAL; PRAGMA application_id = {APPLICATION_ID};"
        f"PRAGMA user_version = 1; {MIGRATIONS[0]}"
    )
    connection.execute(
        "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, 1, 1, 'failed', 1, 0, NULL, 1)",
        (old.delivery_id, MERCHANT, old.endpoint_id, old.notification_id, old.notification_type),
    )
    connection.commit()
    connection.close()


def test_a_file_of_someone_else_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    connection.close()

    with pytest.raises(CorruptState, match="another application"):
        SqliteHistory(path)
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(CorruptState, match="not a history file"):
        SqliteHistory(path)


def test_a_history_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(Unavailable):
        open_history(f"sqlite://{tmp_path}/file/history.db")


@pytest.mark.parametrize("url", ["sqlite://", "cassandra", "/tmp/x", ""])  # noqa: S108  # not opened
def test_a_url_of_no_known_engine_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite://PATH"):
        open_history(url)
