"""Notices: heard or not, as they came, and those that wait; and what is in quarantine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from connectors.history.cassandra.bridge import Rows
from connectors.history.cassandra.session import Request, Session
from connectors.history.cassandra.times import day_of
from connectors.history.cassandra.walking import Listing, page
from connectors.history.cursors import cursor_of
from connectors.history.kept import kept_message
from connectors.history.sql import micros, moment_of
from streams.domain.ids import MerchantId, NoticeId
from streams.happenings import NoticeAccepted, NoticeHeld, Quarantined
from streams.ports import QuarantineRow, WaitingRow

WAITING = Listing(
    kind="unmatched",
    table="waiting_by_day",
    owner="merchant_id",
    keys=("received_us", "notice_id"),
    newest_first=False,
)
QUARANTINE = Listing(
    kind="quarantine",
    table="quarantine_by_day",
    owner=None,
    keys=("at_us", "quarantine_id"),
    newest_first=False,
)
_KNOWN = "SELECT notice_id FROM notices WHERE notice_id IN ?"
_RAW = "SELECT message FROM raw_notices WHERE notice_id = ?"
_HELD = "SELECT notice_id, message FROM held_notices WHERE notice_id IN ?"
_STATE = (
    "SELECT notice_id, merchant_id, state, received_us, writetime(state) FROM notices"
    " WHERE notice_id IN ?"
)
_QUARANTINED = (
    "SELECT quarantine_id, at_us, retried_us, message FROM quarantine WHERE quarantine_id IN ?"
)
_RETRIED = "UPDATE quarantine USING TIMESTAMP ? SET retried_us = ? WHERE quarantine_id = ?"
_WAITS_NO_MORE = (
    "DELETE FROM waiting_by_day USING TIMESTAMP ?"
    " WHERE merchant_id = ? AND day = ? AND received_us = ? AND notice_id = ?"
)


async def known(session: Session, notice_ids: Sequence[str]) -> Collection[str]:
    """Those of which there is a row."""
    return await session.keyed(_KNOWN, notice_ids)


async def raw_notice(session: Session, notice_id: NoticeId) -> NoticeAccepted | None:
    """A notice as it came."""
    row = await session.one(_RAW, notice_id)
    return kept_message(row[0], NoticeAccepted) if row is not None else None


async def unmatched(
    session: Session, merchant_id: MerchantId, *, after: str | None, limit: int
) -> tuple[list[WaitingRow], str | None]:
    """Notices that wait for an invoice, oldest first."""

    async def shape(keys: Rows) -> list[WaitingRow | None]:
        states, rows = await _waiting_rows(session, merchant_id, keys)
        await session.many(_matched(merchant_id, keys, states))
        return rows

    return await page(session, WAITING, merchant_id, {}, after=after, limit=limit, shape=shape)


async def waiting_notice(
    session: Session, merchant_id: MerchantId, notice_id: NoticeId
) -> WaitingRow | None:
    """One notice that waits."""
    state = (await session.keyed(_STATE, [notice_id])).get(notice_id)
    if state is None or state[3] is None:
        return None
    return (await _waiting_rows(session, merchant_id, [(state[3], notice_id)]))[1][0]


async def _waiting_rows(
    session: Session, merchant_id: str, keys: Sequence[tuple[int, str]]
) -> tuple[dict[str, Any], list[WaitingRow | None]]:
    ids = [notice_id for _, notice_id in keys]
    states, held = await session.keyed(_STATE, ids), await session.keyed(_HELD, ids)
    rows = [
        _waiting_row(key, held[key[1]][1])
        if key[1] in held
        and key[1] in states
        and states[key[1]][1:4] == (merchant_id, "unmatched", key[0])
        else None
        for key in keys
    ]
    return states, rows


def _matched(merchant_id: str, keys: Rows, states: dict[str, Any]) -> list[Request]:
    """Take what was matched meanwhile, which is final, out of the list."""
    return [
        (_WAITS_NO_MORE, (states[each][4], merchant_id, day_of(received_us), received_us, each))
        for received_us, each in keys
        if each in states and states[each][2] == "matched"
    ]


def _waiting_row(key: tuple[int, str], message: str) -> WaitingRow:
    held = kept_message(message, NoticeHeld)
    return WaitingRow(
        cursor=cursor_of(WAITING.kind, *key),
        notice=held.notice,
        received_at=held.received_at,
    )


async def quarantined(
    session: Session, *, after: str | None, limit: int
) -> tuple[list[QuarantineRow], str | None]:
    """What is in quarantine, oldest first."""

    async def shape(keys: Rows) -> list[QuarantineRow | None]:
        found = await session.keyed(_QUARANTINED, [each for _, each in keys])
        return [
            _quarantine_row(found[each]) if each in found and found[each][1] == at_us else None
            for at_us, each in keys
        ]

    return await page(session, QUARANTINE, "", {}, after=after, limit=limit, shape=shape)


async def quarantine_row(session: Session, quarantine_id: str) -> QuarantineRow | None:
    """One thing in quarantine."""
    row = (await session.keyed(_QUARANTINED, [quarantine_id])).get(quarantine_id)
    return _quarantine_row(row) if row is not None else None


async def mark_retried(session: Session, quarantine_id: str, at: datetime) -> None:
    """Note when it was put back; the latest time stays."""
    if await quarantine_row(session, quarantine_id) is not None:
        await session.many([(_RETRIED, (micros(at), micros(at), quarantine_id))])


def _quarantine_row(row: Sequence[Any]) -> QuarantineRow:
    quarantine_id, at_us, retried_us, message = row
    return QuarantineRow(
        cursor=cursor_of(QUARANTINE.kind, at_us, quarantine_id),
        quarantined=kept_message(message, Quarantined),
        retried_at=moment_of(retried_us) if retried_us is not None else None,
    )
