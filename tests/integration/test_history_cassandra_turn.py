"""One process at a time migrates a real keyspace, and one that lost its turn stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.history.cassandra.address import Address, address_of
from connectors.history.cassandra.connecting import connected
from connectors.history.cassandra.migrating import migrate
from connectors.history.cassandra.turn import TURN_SECONDS_MAX, Turn
from ops.cql.files import history_migrations
from streams.domain.errors import Unavailable
from tests.history_keyspaces import Keyspaces
from tests.real_engines import fresh_name

pytestmark = pytest.mark.integration

TTL_SECONDS = 86_400
NEARLY_OVER_SECONDS = 30
FIRST, LATER = "IF NOT EXISTS registrations ", "IF NOT EXISTS claims "
"""What the first migration makes, in this order."""


class Watched:
    """A session that does something before a statement."""

    def __init__(self, session: Any, before: dict[str, Callable[[], object]]) -> None:
        self._session, self._before = session, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def execute(self, statement: str, *values: object, **how: object) -> Any:
        for part, act in self._before.items():
            if part in statement:
                act()
        return self._session.execute(statement, *values, **how)


@pytest.fixture
def address(pool: Keyspaces) -> Address:
    return address_of(pool.url(fresh_name("turn")))


@pytest.fixture
def session(address: Address) -> Iterator[Any]:
    cluster, session = connected(address, lambda _: None)
    yield session
    cluster.shutdown()


def migrated(session: Any, address: Address, before: dict[str, Callable[[], object]]) -> set[int]:
    watched = Watched(session, before)
    return migrate(watched, address, history_migrations(), ttl_seconds=TTL_SECONDS)


def rows(session: Any, what: str) -> list[Any]:
    return list(session.execute(f"SELECT {what} FROM migrations WHERE version = 0"))  # noqa: S608  # our words


def taken_by_another(session: Any) -> None:
    session.execute("INSERT INTO migrations (version, name) VALUES (0, 'another')")


def test_who_lost_its_turn_stops_and_leaves_it_to_whom_it_is(
    session: Any, address: Address
) -> None:
    with pytest.raises(Unavailable, match="another process may be migrating now"):
        migrated(session, address, {FIRST: lambda: taken_by_another(session)})

    assert rows(session, "name") == [("another",)]
    tables = session.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", [address.keyspace]
    )
    assert {name for (name,) in tables} == {"migrations", "registrations"}


def test_a_turn_is_renewed_before_each_statement(session: Any, address: Address) -> None:
    left: list[int] = []

    def nearly_over() -> None:
        ((owner,),) = rows(session, "name")
        session.execute(
            "INSERT INTO migrations (version, name) VALUES (0, %s) USING TTL %s",
            [owner, NEARLY_OVER_SECONDS],
        )

    def look() -> None:
        left.extend(seconds for (seconds,) in rows(session, "TTL(name)"))

    assert migrated(session, address, {FIRST: nearly_over, LATER: look}) == {TTL_SECONDS}

    assert len(left) == 1
    assert NEARLY_OVER_SECONDS < left[0] <= TURN_SECONDS_MAX
    assert rows(session, "name") == []


def test_a_turn_that_is_over_is_the_next_ones_alone(session: Any, address: Address) -> None:
    migrated(session, address, {})
    late, next_one, third = Turn(session), Turn(session), Turn(session)
    assert late.take()
    session.execute("DELETE FROM migrations WHERE version = 0 IF EXISTS")  # as by its age
    assert next_one.take()

    assert not third.take()
    with pytest.raises(Unavailable):
        late.keep()
    late.give_back()
    next_one.keep()

    next_one.give_back()
    assert third.take()
