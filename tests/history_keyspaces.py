"""Empty keyspaces for tests: made once and emptied for the next test, which is quicker."""

from __future__ import annotations

from typing import Any

import pytest
from cassandra.cluster import (  # type: ignore[import-untyped]  # the driver has no type hints
    Cluster,
    NoHostAvailable,
)
from cassandra.policies import (  # type: ignore[import-untyped]  # as above
    ConstantReconnectionPolicy,
)

from connectors.history.cassandra.address import address_of
from connectors.history.cassandra.migrating import migrate
from ops.cql.files import history_migrations
from ops.settings import read
from ops.stack.cassandra import CassandraServer
from streams.topics import DAY_SECONDS
from tests.real_engines import fresh_name

SECONDS_MAX = 60.0
RETENTION_DAYS = read({}, {}).history_retention_days
"""As of a product that nobody set otherwise, so that one may have such a keyspace too."""
PROTOCOL_VERSION = 5


class Keyspaces:
    """The keyspaces of one server; one that was taken is empty."""

    def __init__(self, server: CassandraServer) -> None:
        self._server = server
        self._cluster = Cluster(
            [server.host],
            port=server.port,
            protocol_version=PROTOCOL_VERSION,
            reconnection_policy=ConstantReconnectionPolicy(0.25, max_attempts=None),
        )
        self._session: Any = self._cluster.connect()
        self._session.default_timeout = SECONDS_MAX
        self._free: list[str] = []
        self._written: dict[str, dict[str, int]] = {}

    def url(self, keyspace: str) -> str:
        return f"cassandra://{self._server.host}:{self._server.port}/{keyspace}"

    def take(self) -> str:
        if not self._free:
            keyspace = fresh_name("history")
            address = address_of(self.url(keyspace))
            life = RETENTION_DAYS * DAY_SECONDS
            migrate(self._session, address, history_migrations(), ttl_seconds=life)
            return keyspace
        keyspace = self._free.pop()
        written = self._writes(keyspace)
        before = self._written.get(keyspace, {})
        # What holds removals only must be emptied as well: they would outrank what a test writes.
        filled = [table for table, count in written.items() if count != before.get(table, 0)]
        for answer in [
            self._session.execute_async(f"TRUNCATE {keyspace}.{table}") for table in filled
        ]:
            answer.result()
        self._written[keyspace] = written
        return keyspace

    def _writes(self, keyspace: str) -> dict[str, int]:
        """How often each table was ever written to."""
        rows = self._session.execute(
            "SELECT table_name, count FROM system_views.local_write_latency"
            " WHERE keyspace_name = %s ALLOW FILTERING",
            [keyspace],
        )
        return {table: count for table, count in rows if table != "migrations"}

    def is_usable(self) -> bool:
        """Whether its own session is back after the server was away."""
        try:
            return bool(self.execute("SELECT key FROM system.local"))
        except NoHostAvailable:
            return False

    def execute(self, statement: str, *values: object) -> list[Any]:
        """For what a test looks at, or leaves behind, by itself."""
        return list(self._session.execute(statement, values))

    def give_back(self, keyspace: str) -> None:
        self._free.append(keyspace)

    def close(self) -> None:
        self._cluster.shutdown()


_OF_SESSION = pytest.StashKey[Keyspaces]()


def keyspaces(request: pytest.FixtureRequest) -> Keyspaces:
    """The keyspaces of this run's server, which is started at the first use."""
    stash = request.config.stash
    if _OF_SESSION not in stash:
        stash[_OF_SESSION] = Keyspaces(request.getfixturevalue("cassandra_server"))
        request.config.add_cleanup(stash[_OF_SESSION].close)
    return stash[_OF_SESSION]


def an_empty_keyspace(request: pytest.FixtureRequest) -> str:
    """The URL of a keyspace with empty tables that nothing else uses until the test ends."""
    pool = keyspaces(request)
    keyspace = pool.take()
    request.addfinalizer(lambda: pool.give_back(keyspace))
    return pool.url(keyspace)
