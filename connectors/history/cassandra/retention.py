"""Removing what is older than a time and finished.

As in one file (`connectors.history.retention`), what waits stays, and so do invoices,
registrations and claims. A row is removed with a timestamp as great as that of its writing, so
the same message does not bring it back while the log still has it.

What only gets old Cassandra itself removes, by the time to live of its table (`ops/cql`), and is
neither read nor removed here: removals would keep what is written by time from going at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from connectors.history.cassandra import ring
from connectors.history.cassandra.session import Request, Session
from connectors.history.cassandra.times import day_of, first_said

_SAID = first_said(0)
"""As great as the timestamp of anything that is said once."""

Removals = Callable[[Sequence[Any]], Sequence[Request]]
"""What removes the thing that a row speaks of; nothing when it stays."""


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
_DELIVERY_BY_DAY = _remove("deliveries_by_day", "merchant_id", "day", "created_us", "delivery_id")
_DELIVERY_BY_EVENT = _remove(
    "deliveries_by_event", "merchant_id", "event_id", "created_us", "delivery_id"
)


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
    if status not in {"delivered", "failed", "superseded"}:
        return ()
    requests: list[Request] = []
    if created_us is not None:
        key = created_us, delivery_id
        requests += [
            (_DELIVERY_BY_DAY, (rank, merchant_id, day_of(created_us), *key)),
            (_DELIVERY_BY_EVENT, (rank, merchant_id, event_id, *key)),
        ]
    return [*requests, (_DELIVERY, (rank, delivery_id))]


def _old(table: str, key: str, columns: str, time: str) -> str:
    return (
        f"SELECT {columns} FROM {table} WHERE token({key}) > ? AND token({key}) <= ?"  # noqa: S608  # our names
        f" AND {time} < ? ALLOW FILTERING"
    )


_NOTICES = _old(
    "notices",
    key="notice_id",
    columns="notice_id, state, merchant_id, received_us, writetime(state)",
    time="changed_us",
)
_QUARANTINE = _old(
    "quarantine",
    key="quarantine_id",
    columns="quarantine_id, at_us, retried_us",
    time="at_us",
)
_DELIVERIES = _old(
    "deliveries",
    key="delivery_id",
    columns="delivery_id, status, merchant_id, event_id, created_us, writetime(status)",
    time="changed_us",
)


async def expire(session: Session, before_us: int, *, part: int, parts: int) -> int:
    """Remove what is old and finished in a part of the ring; returns how many things went.

    All rows of the part are read, finished or not, so it is for once in a while.
    """
    removed = 0
    for statement, removals in (
        (_NOTICES, _notice),
        (_QUARANTINE, _quarantined(before_us)),
        (_DELIVERIES, _delivery),
    ):
        wanted, remove = ring.ranges(part, parts), partial(_remove_those, session, removals)
        removed += sum(await ring.read(session, (statement, (before_us,)), wanted, remove))
    return removed


async def _remove_those(session: Session, removals: Removals, pages: ring.Pages) -> int:
    removed = 0
    async for rows in pages:
        old = [requests for requests in map(removals, rows) if requests]
        await session.many(request for requests in old for request in requests)
        removed += len(old)
    return removed
