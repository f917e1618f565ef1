"""History on a real Cassandra is never asked for more at once than it takes."""

from __future__ import annotations

import pytest

from connectors.history.cassandra.grouping import TOGETHER_MAX
from streams.ports import History
from tests.builders import a_notification
from tests.history_engines import archived, whole_feed
from tests.message_builders import an_invoice_changed

pytestmark = pytest.mark.integration

LARGE_BODY = "x" * 300_000
"""As large as the body of an event gets by the limits of the API."""


async def test_many_large_events_of_one_merchant_are_stored(history: History) -> None:
    told = [a_notification(cause=f"c{number}", body=LARGE_BODY) for number in range(TOGETHER_MAX)]
    await history.store(archived(*(an_invoice_changed(notifications=(each,)) for each in told)))

    feed = await whole_feed(history, limit=16)

    assert [row.event_id for row in feed] == [each.notification_id for each in told]
    assert {row.body for row in feed} == {LARGE_BODY}
