"""Getting in to a real Cassandra that wants TLS and a password."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from connectors.history.opening import open_history
from ops.cql.files import history_migrations
from ops.stack.cassandra import CassandraServer
from streams.domain.errors import Unavailable
from tests.cassandra_guarded import GIVEN_USER, GuardedServer, a_guarded_server
from tests.history_engines import an_open_history, archived
from tests.message_builders import a_notice_accepted

pytestmark = [pytest.mark.integration, pytest.mark.allows_errors]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    yield from a_guarded_server(tmp_path_factory.mktemp("guarded"), GuardedServer)


async def test_with_the_authority_and_the_password_it_is_let_in(guarded: CassandraServer) -> None:
    ca = guarded.directory / "node.pem"
    url = f"cassandra://{GIVEN_USER}@{guarded.address}/guarded?tls=true&ca={ca}"
    history = open_history(url, migrations=history_migrations())
    async with asyncio.timeout(60):
        while True:  # the node makes its first user a moment after it is usable
            try:
                await history.store(archived(a_notice_accepted()))
                break
            except Unavailable:
                continue

    assert await history.has_notice(a_notice_accepted().notice_id)
    await history.close()


@pytest.mark.parametrize(
    ("user", "options"),
    [
        pytest.param(GIVEN_USER, "tls=true", id="an authority that this machine does not trust"),
        pytest.param(GIVEN_USER, "", id="no TLS"),
        pytest.param("cassandra:wrong", "tls=true&ca={ca}", id="a wrong password"),
    ],
)
async def test_whoever_may_not_get_in_finds_it_unavailable(
    guarded: CassandraServer, user: str, options: str
) -> None:
    chosen = options.format(ca=guarded.directory / "node.pem")
    async with an_open_history(f"cassandra://{user}@{guarded.address}/guarded?{chosen}") as history:
        with pytest.raises(Unavailable) as refused:
            await history.command("req_none")

    assert "wrong" not in str(refused.value)
