"""Removing what is older than a time and finished.

As in one file (`connectors.history.retention`), what waits stays, and so do invoices,
registrations and claims. A row is removed with a timestamp as great as that of its writing, so
the same message does not bring it back while the log still has it. What only gets old Cassandra
itself removes as well, by the time to live of its table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from connectors.history.cassandra.feed import stretch_of
from connectors.history.cassandra.session import Request, Session
from connectors.history.cassandra.times import day_of, first_said

_NOTICES = (
    "SELECT notice_id, state, merchant_id, received_us, writetime(state) FROM notices"
    " WHERE changed_us < ? ALLOW FILTERING"
)
_QUARANTINE = (
    "SELECT quarantine_id, at_us, retried_us FROM quarantine WHERE at_us < ? ALLOW FILTERING"
)
_DELIVERIES = (
    "SELECT delivery_id, status, merchant_id, event_id, created_us, writetime(status)"
    " FROM deliveries WHERE changed_us < ? ALLOW FILTERING"
)
_UNFINISHED = "SELECT event_id FROM deliveries WHERE status = ? ALLOW FILTERING"
_EVENTS = (
    "SELECT event_id, merchant_id, position, recorded_us FROM event_places"
    " WHERE recorded_us < ? ALLOW FILTERING"
)
_COMMANDS = "SELECT request_id FROM commands WHERE at_us < ? ALLOW FILTERING"
_REPEATS = (
    "SELECT notice_id, partition, offset, writetime(at_us) FROM repeats"
    " WHERE at_us < ? ALLOW FILTERING"
)
_SAID = first_said(0)
"""As great as the timestamp of anything that is said once."""


def _remove(table: str, *keys: str) -> str:
    where = " AND ".join(f"{key} = ?" for key in keys)
    return f"DELETE FROM {table} USING TIMESTAMP ? WHERE {where}"  # noqa: S608  # our names


_NOTICE = _remove("notices", "notice_id")
_OF_NOTICE = tuple(
    _remove(table, "notice_id") for table in ("raw_notices", "held_notices", "settlements")
)
_WAITING = _remove("waiting_by_day", "merchant_id", "day", "received_us", "notice_id")
_QUARANTINED = _remove("quarantine", "quarantine_id")
_QUARANTINED_BY_DAY = _remove("quarantine_by_day", "day", "at_us", "quarantine_id")
_DELIVERY = _remove("deliveries", "delivery_id")
_ATTEMPTS = _remove("attempts", "delivery_id")
_DELIVERY_BY_DAY = _remove("deliveries_by_day", "merchant_id", "day", "created_us", "delivery_id")
_DELIVERY_BY_EVENT = _remove(
    "deliveries_by_event", "merchant_id", "event_id", "created_us", "delivery_id"
)
_EVENT = _remove("events", "merchant_id", "stretch", "position")
_PLACE = _remove("event_places", "event_id")
_COMMAND = _remove("commands", "request_id")
_REPEAT = _remove("repeats", "notice_id", "partition", "offset")


async def expire(session: Session, before_us: int) -> int:
    """Remove what is old and finished; returns how many things went.

    Every table is read through, so it is for once in a few hours.
    """
    removed = await _sweep(session, _NOTICES, before_us, _notice)
    removed += await _sweep(session, _QUARANTINE, before_us, _quarantined(before_us))
    removed += await _sweep(session, _DELIVERIES, before_us, _delivery)
    unfinished: set[str] = set()
    for status in ("pending", "retrying"):
        async for rows in session.pages(_UNFINISHED, status):
            unfinished.update(event_id for (event_id,) in rows)
    removed += await _sweep(session, _EVENTS, before_us, _event(unfinished))
    removed += await _sweep(session, _COMMANDS, before_us, _command)
    return removed + await _sweep(session, _REPEATS, before_us, _repeat)


async def _sweep(
    session: Session,
    statement: str,
    before_us: int,
    removals: Callable[[Sequence[Any]], Sequence[Request]],
) -> int:
    removed = 0
    async for rows in session.pages(statement, before_us):
        wanted = [requests for requests in map(removals, rows) if requests]
        await session.many(request for requests in wanted for request in requests)
        removed += len(wanted)
    return removed


def _notice(row: Sequence[Any]) -> Sequence[Request]:
    notice_id, state, merchant_id, received_us, rank = row
    if state not in {"matched", "noted"}:
        return ()
    requests: list[Request] = [(statement, (_SAID, notice_id)) for statement in _OF_NOTICE]
    if received_us is not None:  # it waited once
        key = merchant_id, day_of(received_us), received_us, notice_id
        requests.append((_WAITING, (rank, *key)))
    # The row that says what to remove goes after what it names, so that nothing is left behind.
    return [*requests, (_NOTICE, (rank, notice_id))]


def _quarantined(before_us: int) -> Callable[[Sequence[Any]], Sequence[Request]]:
    def removals(row: Sequence[Any]) -> Sequence[Request]:
        quarantine_id, at_us, retried_us = row
        if retried_us is None or retried_us >= before_us:
            return ()
        return [
            (_NOTICE, (_SAID, f"quarantine:{quarantine_id}")),
            (_QUARANTINED_BY_DAY, (_SAID, day_of(at_us), at_us, quarantine_id)),
            (_QUARANTINED, (_SAID, quarantine_id)),
        ]

    return removals


def _delivery(row: Sequence[Any]) -> Sequence[Request]:
    delivery_id, status, merchant_id, event_id, created_us, rank = row
    if status not in {"delivered", "failed"}:
        return ()
    requests: list[Request] = [(_ATTEMPTS, (_SAID, delivery_id))]
    if created_us is not None:
        key = created_us, delivery_id
        requests += [
            (_DELIVERY_BY_DAY, (rank, merchant_id, day_of(created_us), *key)),
            (_DELIVERY_BY_EVENT, (rank, merchant_id, event_id, *key)),
        ]
    return [*requests, (_DELIVERY, (rank, delivery_id))]


def _event(unfinished: set[str]) -> Callable[[Sequence[Any]], Sequence[Request]]:
    def removals(row: Sequence[Any]) -> Sequence[Request]:
        event_id, merchant_id, position, recorded_us = row
        if event_id in unfinished:
            return ()
        return [
            (_EVENT, (recorded_us, merchant_id, stretch_of(position), position)),
            (_PLACE, (recorded_us, event_id)),
        ]

    return removals


def _command(row: Sequence[Any]) -> Sequence[Request]:
    return [(_COMMAND, (_SAID, row[0]))]


def _repeat(row: Sequence[Any]) -> Sequence[Request]:
    *key, rank = row
    return [(_REPEAT, (rank, *key))]
