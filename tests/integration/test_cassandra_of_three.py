"""History on three Cassandra nodes that replicate: any one of them may be dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connectors.history.opening import open_history
from ops.cql.files import history_migrations
from ops.stack.__main__ import bring_up
from ops.stack.cassandra import JARS, CassandraCluster
from streams.domain.errors import Unavailable
from streams.ports import Archived, History
from tests.builders import MERCHANT, a_notice, a_notification, an_invoice_terms
from tests.history_engines import whole_feed
from tests.integration.product_world import until
from tests.integration.test_history_cassandra import payments, store_until_it_is_stored
from tests.real_engines import JAR_CACHE, need_java, running

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.allows_errors,  # the driver calls a node that is gone an error
]

PART = 150
"""So many payments are stored before, during and after a node is away."""
BATCH = 400
RECORDS_PER_PAYMENT = 4


@pytest.fixture
def own_nodes(tmp_path: Path) -> Iterator[CassandraCluster]:
    """Three empty Cassandra nodes that replicate to one another."""
    need_java(JARS)
    yield from running(CassandraCluster(tmp_path / "nodes", jar_cache=JAR_CACHE))


@asynccontextmanager
async def a_history(cluster: CassandraCluster) -> AsyncIterator[History]:
    """History as a process opens it that starts now, with a copy of each row on every node."""
    history = open_history(cluster.url, migrations=history_migrations())
    try:
        yield history
    finally:
        await history.close()


async def store_part(history: History, records: list[Archived], part: int) -> None:
    size = PART * RECORDS_PER_PAYMENT
    mine = records[part * size : (part + 1) * size]
    for start in range(0, len(mine), BATCH):
        await store_until_it_is_stored(history, mine[start : start + BATCH])


async def holds(history: History, count: int) -> bool:
    """Whether history can be asked; fails unless it has so many payments, each once, in order."""
    try:
        counts = await history.counts()
        feed = await whole_feed(history, limit=250)
    except Unavailable:
        return False  # a node that is gone is noticed within seconds
    assert (counts.accepted, counts.matched, counts.delivered) == (count, count, count)
    assert [row.event_id for row in feed] == [
        a_notification(cause=a_notice(name=f"n{number}").notice_id).notification_id
        for number in range(count)
    ]
    return True


async def test_nothing_is_lost_and_all_goes_on_while_one_node_of_three_is_dead(
    own_nodes: CassandraCluster,
) -> None:
    first, second, _ = own_nodes.nodes
    records, terms = payments(3 * PART), an_invoice_terms()
    async with a_history(own_nodes) as history:
        await store_part(history, records, 0)

        storing = asyncio.create_task(store_part(history, records, 1))
        await asyncio.to_thread(first.kill)
        await storing
        await until(lambda: holds(history, 2 * PART))
        await history.register_invoice(terms, content="c", shown="{}")
        async with a_history(own_nodes) as newcomer:  # the first that it asks is the dead one
            await until(lambda: holds(newcomer, 2 * PART))

        await asyncio.to_thread(bring_up, first)
        assert await asyncio.to_thread(second.stop)
        # Now the quorum needs the one that was away.
        await store_part(history, records, 2)
        await until(lambda: holds(history, 3 * PART))
        assert await history.invoice(MERCHANT, terms.invoice_id) is not None
        (reference,) = terms.references
        claimed = await history.claimed_by(reference.account_id, reference.value)
        assert claimed == terms.invoice_id
