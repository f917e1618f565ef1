"""Acknowledgements in the file of history: kept and looked up, with what still lacks one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from connectors.history.acknowledging import ALL, Row, of_endpoint
from connectors.history.sql import Insert, array, select
from streams.domain.acknowledging import Acknowledgement
from streams.domain.ids import EndpointId, NotificationId

_ACKNOWLEDGEMENTS = Insert(
    into="acknowledgements (event_id, endpoint_id, at_us, made_by, released_us)",
    columns=5,
    conflict="(event_id, endpoint_id) DO NOTHING",
)
_UNACKNOWLEDGED = Insert(
    into="unacknowledged (endpoint_id, made_us, delivery_id, merchant_id, event_id, since_us)",
    columns=6,
    conflict="(endpoint_id, made_us, delivery_id) DO NOTHING",
)
_WAITS_NO_MORE = """
DELETE FROM unacknowledged WHERE event_id IN (SELECT value FROM json_each(?)) AND EXISTS
    (SELECT 1 FROM acknowledgements AS a WHERE a.event_id = unacknowledged.event_id
     AND a.endpoint_id IN ('', unacknowledged.endpoint_id))
"""


def store_acknowledgements(
    connection: sqlite3.Connection, waiting: Sequence[Row], acknowledged: Sequence[Row]
) -> None:
    """Store both kinds of rows; which of them came first makes no difference."""
    _UNACKNOWLEDGED.run(connection, waiting)
    _ACKNOWLEDGEMENTS.run(connection, acknowledged)
    events = {row[4] for row in waiting} | {row[0] for row in acknowledged}
    if events:
        connection.execute(_WAITS_NO_MORE, [array(events)])


def acknowledgement(
    connection: sqlite3.Connection, event_id: NotificationId, endpoint_id: EndpointId | None
) -> Acknowledgement | None:
    """The first one that covers an endpoint, or all of them."""
    return of_endpoint(of_events(connection, [event_id])[event_id], endpoint_id or ALL)


def of_events(connection: sqlite3.Connection, events: Iterable[str]) -> dict[str, list[list[Any]]]:
    """What was acknowledged of each event: endpoint, time, by what, release."""
    found: dict[str, list[list[Any]]] = {event_id: [] for event_id in events}
    columns = "event_id, endpoint_id, at_us, made_by, released_us"
    source = "acknowledgements WHERE event_id IN (SELECT value FROM json_each(?))"
    for event_id, *row in select(connection, columns, source, [array(found)]):
        found[event_id].append(row)
    return found
