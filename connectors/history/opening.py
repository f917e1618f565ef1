"""From the URL of a history to the history: `sqlite://PATH` or `cassandra://HOST/KEYSPACE`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.history.migration import Migration
from connectors.history.sqlite import SqliteHistory
from streams.topics import DAY_SECONDS

if TYPE_CHECKING:
    from connectors.history.cassandra.engine import CassandraHistory

SQLITE = "sqlite://"
CASSANDRA = "cassandra://"


def open_history(
    url: str, *, migrations: Sequence[Migration] = (), retention_days: int = 0
) -> SqliteHistory | CassandraHistory:
    """Open the history at a URL, creating what is missing; `await history.close()` ends it.

    A cluster is connected to at the first call, which raises `Unavailable` as every other does
    while it is away; `migrations` are applied then, and `retention_days` (0 keeps everything)
    becomes the life of rows that go by their age alone, in tables that are made then.

    Raises `ValueError` for a URL of no known engine, and for a file `Unavailable` when it cannot be
    opened and `CorruptState` when it is not a history of this version.
    """
    if url.startswith(CASSANDRA):
        # The driver takes 0.1 s to import, which those who do not use it need not wait for.
        from connectors.history.cassandra.address import address_of  # noqa: PLC0415  # slow to import, see above
        from connectors.history.cassandra.engine import CassandraHistory  # noqa: PLC0415  # slow to import, see above

        return CassandraHistory(
            address_of(url), migrations=migrations, retention_days=retention_days
        )
    path = url.removeprefix(SQLITE)
    if path == url or not path:
        raise ValueError(f"the history must be {SQLITE}PATH or {CASSANDRA}HOST/KEYSPACE")
    return SqliteHistory(Path(path))


def look_at(url: str, migrations: Sequence[Migration], *, retention_days: int) -> str:
    """What stands at the URL of a cluster, in a sentence; changes nothing there, and blocks.

    Raises as `connectors.history.cassandra.looking.look` does.
    """
    from connectors.history.cassandra.address import address_of  # noqa: PLC0415  # slow to import, see above
    from connectors.history.cassandra.looking import look  # noqa: PLC0415  # slow to import, see above

    return look(address_of(url), migrations, ttl_seconds=retention_days * DAY_SECONDS)


def make_at(url: str, migrations: Sequence[Migration], *, retention_days: int) -> list[str]:
    """Make the keyspace of the URL, or alter how long it keeps rows; blocks.

    Returns and raises as `connectors.history.cassandra.looking.make` does.
    """
    from connectors.history.cassandra.address import address_of  # noqa: PLC0415  # slow to import, see above
    from connectors.history.cassandra.looking import make  # noqa: PLC0415  # slow to import, see above

    return make(address_of(url), migrations, ttl_seconds=retention_days * DAY_SECONDS)
