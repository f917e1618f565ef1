"""History on a real Cassandra is never asked for more at once than it takes."""

from __future__ import annotations

import asyncio

import pytest

from connectors.history.cassandra.grouping import TOGETHER_MAX
from connectors.history.cassandra.slots import IN_FLIGHT_MAX
from ops.stack.cassandra import CassandraServer
from streams.clock import monotonic_seconds
from streams.domain.errors import Unavailable
from streams.ports import History
from tests.builders import a_notification
from tests.history_engines import archived, whole_feed
from tests.message_builders import an_invoice_changed

pytestmark = pytest.mark.integration

LARGE_BODY = "x" * 300_000
"""As large as the body of an event gets by the limits of the API."""

ANSWERED_SECONDS_MAX = 13.0
"""5 s for a slot and 5 s for an answer, and some for a busy machine; a third round would be 15."""


async def test_many_large_events_of_one_merchant_are_stored(history: History) -> None:
    told = [a_notification(cause=f"c{number}", body=LARGE_BODY) for number in range(TOGETHER_MAX)]
    await history.store(archived(*(an_invoice_changed(notifications=(each,)) for each in told)))

    feed = await whole_feed(history, limit=16)

    assert [row.event_id for row in feed] == [each.notification_id for each in told]
    assert {row.body for row in feed} == {LARGE_BODY}


@pytest.mark.allows_errors
async def test_who_asks_a_cluster_that_hangs_is_answered_in_time_however_many_ask(
    cassandra_server: CassandraServer, history: History
) -> None:
    async def ask(number: int) -> bool:
        return (await history.command(f"req_{number}")) is not None

    assert not await ask(0)  # its statement is prepared
    count = 4 * IN_FLIGHT_MAX
    cassandra_server.freeze()
    begun = monotonic_seconds()
    try:
        answers = await asyncio.gather(*map(ask, range(count)), return_exceptions=True)
        took = monotonic_seconds() - begun
    finally:
        cassandra_server.thaw()

    assert {type(answer) for answer in answers} == {Unavailable}
    assert took < ANSWERED_SECONDS_MAX
    assert not any(await asyncio.gather(*map(ask, range(count))))
