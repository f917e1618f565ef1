"""Replays on Cassandra, and what they read of deliveries and events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from connectors.history.cassandra import times
from connectors.history.cassandra.session import Request, Session
from connectors.history.cursors import cursor_of, time_and_id_in
from connectors.history.replays import KIND, delivery_standing, replay_row
from connectors.history.rows import Rows
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, ReplayId
from streams.ports import Archived
from streams.replays import DeliveryStanding, ReplayRow

_ALL = 0
"""The one partition of all that are running."""
_BEGUN, _OVER = 1, 2
"""Timestamps there: no repeat of a request brings back what has ended."""

_REQUEST = (
    "INSERT INTO replays (replay_id, merchant_id, created_us, message) VALUES (?, ?, ?, ?)"
    " USING TIMESTAMP ?"
)
_BY_ENDPOINT = (
    "INSERT INTO replays_by_endpoint (merchant_id, endpoint_id, created_us, replay_id)"
    " VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
)
_RUNNING = (
    "INSERT INTO replays_running (part, replay_id, merchant_id) VALUES (?, ?, ?) USING TIMESTAMP ?"
)
_TAKE = "INSERT INTO replays (replay_id, taken) VALUES (?, ?) USING TIMESTAMP ?"
_ADVANCE = (
    "INSERT INTO replays (replay_id, position, found, resent) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
)
_END = (
    "INSERT INTO replays (replay_id, status, finished_us, reason) VALUES (?, ?, ?, ?)"
    " USING TIMESTAMP ?"
)
_ROUND = (
    "INSERT INTO delivery_rounds (delivery_id, round, replay_id) VALUES (?, ?, ?) USING TIMESTAMP ?"
)
_NO_LONGER = "DELETE FROM replays_running USING TIMESTAMP ? WHERE part = ? AND replay_id = ?"
_REPLAYS = (
    "SELECT replay_id, merchant_id, created_us, message, position, found, resent, taken, status,"
    " finished_us, reason FROM replays WHERE replay_id IN ?"
)
_OF_ENDPOINT = (
    "SELECT created_us, replay_id FROM replays_by_endpoint WHERE merchant_id = ?"
    " AND endpoint_id = ? AND (created_us, replay_id) < (?, ?) LIMIT ?"
)
_ALL_RUNNING = "SELECT merchant_id, replay_id FROM replays_running WHERE part = ?"
_STANDINGS = (
    "SELECT delivery_id, round, status, next_attempt_us FROM deliveries WHERE delivery_id IN ?"
)
_ROUNDS = "SELECT round, replay_id FROM delivery_rounds WHERE delivery_id = ?"
_LAST = 2**63 - 1


def replay_writes(archived: Archived, rows: Rows) -> Iterator[Request]:
    """What a message says of replays and of the rounds that they began."""
    first = times.first_said(archived.place.offset)
    for replay_id, merchant_id, endpoint_id, created_us, message in rows.replays:
        yield _REQUEST, (replay_id, merchant_id, created_us, message, first)
        yield _BY_ENDPOINT, (merchant_id, endpoint_id, created_us, replay_id, first)
        yield _RUNNING, (_ALL, replay_id, merchant_id, _BEGUN)
    for replay_id, _, taken, taken_us in rows.replay_takes:
        yield _TAKE, (replay_id, taken, taken_us)
    for replay_id, _, position, found, resent in rows.replay_advances:
        yield _ADVANCE, (replay_id, position, found, resent, position + 1)
    for replay_id, _, status, rank, finished_us, reason in rows.replay_ends:
        yield _END, (replay_id, status, finished_us, reason, rank)
    for row in rows.rounds:
        yield _ROUND, (*row, first)


def replay_removals(rows: Rows) -> Iterator[Request]:
    """What takes ended replays out of those that are running; after all else is stored."""
    for replay_id, *_ in rows.replay_ends:
        yield _NO_LONGER, (_OVER, _ALL, replay_id)


async def replay(
    session: Session, merchant_id: MerchantId, replay_id: ReplayId
) -> ReplayRow | None:
    """One replay of this merchant."""
    found = [row async for row in _rows(session, [replay_id])]
    return found[0] if found and found[0].merchant_id == merchant_id else None


async def replays(
    session: Session,
    merchant_id: MerchantId,
    endpoint_id: EndpointId,
    *,
    after: str | None,
    limit: int,
) -> tuple[list[ReplayRow], str | None]:
    """Newest first."""
    start = time_and_id_in(after, KIND) if after is not None else (_LAST, "")
    keys = await session.rows(_OF_ENDPOINT, merchant_id, endpoint_id, *start, limit + 1)
    more, keys = len(keys) > limit, keys[:limit]
    rows = [row async for row in _rows(session, [replay_id for _, replay_id in keys])]
    return rows, cursor_of(KIND, *keys[-1]) if more else None


async def running_replays(session: Session) -> list[tuple[MerchantId, ReplayId]]:
    """Every replay that has not ended."""
    return [
        (MerchantId(merchant_id), ReplayId(replay_id))
        async for rows in session.pages(_ALL_RUNNING, _ALL)
        for merchant_id, replay_id in rows
    ]


async def delivery_standings(
    session: Session, delivery_ids: Sequence[DeliveryId]
) -> dict[DeliveryId, DeliveryStanding]:
    """How each delivery stands that is known."""
    found = await session.keyed(_STANDINGS, delivery_ids)
    return {
        DeliveryId(each): delivery_standing(in_round, status, next_us)
        for each, in_round, status, next_us in found.values()
        if status is not None
    }


async def replays_of(
    session: Session, delivery_ids: Sequence[str]
) -> dict[tuple[str, int], ReplayId]:
    """The replay that each round of these deliveries was of, if it was of one."""
    found = await session.many((_ROUNDS, (each,)) for each in delivery_ids)
    return {
        (delivery_id, in_round): ReplayId(replay_id)
        for delivery_id, rows in zip(delivery_ids, found, strict=True)
        for in_round, replay_id in rows
    }


async def _rows(session: Session, replay_ids: Sequence[str]) -> AsyncIterator[ReplayRow]:
    """Those that were requested, in this order."""
    found = await session.keyed(_REPLAYS, replay_ids)
    for each in replay_ids:
        row = found.get(each)
        if row is not None and row[3] is not None:
            replay_id, _, created_us, *more = row
            yield replay_row((created_us, replay_id, *more))
