"""A real Cassandra whose nodes all come back at other addresses is found again by its name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.history.opening import open_history
from ops.cql.files import history_migrations
from ops.stack.__main__ import bring_up
from ops.stack.cassandra import JARS, CassandraServer
from ops.stack.server import free_port
from streams.domain.errors import Unavailable
from streams.ports import History
from tests.history_engines import archived
from tests.integration.product_world import until
from tests.message_builders import a_notice_accepted
from tests.real_engines import JAR_CACHE, need_java

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),
    pytest.mark.allows_errors,  # the driver calls a node that is gone an error
]

NAME = "history.test"
HERE, THERE = "127.0.0.1", "127.0.0.2"
NOTICE = a_notice_accepted()


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where the name leads to now, for whoever looks it up in this process."""
    leads_to = {NAME: HERE}
    look_up = socket.getaddrinfo

    def answer(host: Any, *others: Any, **named: Any) -> Any:
        return look_up(leads_to.get(host, host), *others, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return leads_to


class Node:
    """One node that moves with its data."""

    def __init__(self, directory: Path) -> None:
        self.port, self._storage_port = free_port(), free_port()
        self._directory = directory
        self.server = self._at(HERE)

    def _at(self, host: str) -> CassandraServer:
        return CassandraServer(
            self._directory,
            jar_cache=JAR_CACHE,
            port=self.port,
            hosts=[host],
            storage_port=self._storage_port,
        )

    def move(self, host: str) -> None:
        self.server.kill()
        self.server = self._at(host)
        bring_up(self.server)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    need_java(JARS)
    moving = Node(tmp_path / "node")
    try:
        bring_up(moving.server)
        yield moving
    finally:
        moving.server.kill()


async def knows_the_notice(history: History) -> bool:
    try:
        return await history.has_notice(NOTICE.notice_id)
    except Unavailable:
        return False


async def test_a_cluster_that_comes_back_at_other_addresses_is_found_by_its_name(
    node: Node, where: dict[str, str]
) -> None:
    url = f"cassandra://{NAME}:{node.port}/history"
    history = open_history(url, migrations=history_migrations())
    try:
        await history.store(archived(NOTICE))
        assert await knows_the_notice(history)

        await asyncio.to_thread(node.move, THERE)
        where[NAME] = THERE

        await until(lambda: knows_the_notice(history))
        await history.store(archived(NOTICE))
    finally:
        await history.close()
