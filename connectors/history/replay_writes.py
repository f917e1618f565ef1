"""Storing what messages say of replays, in any order and however often."""

from __future__ import annotations

import sqlite3

from connectors.history.rows import Rows
from connectors.history.sql import Insert

_REQUESTS = Insert(
    into="replays (replay_id, merchant_id, endpoint_id, created_us, message)",
    columns=5,
    conflict="""(replay_id) DO UPDATE SET endpoint_id = excluded.endpoint_id,
        created_us = excluded.created_us, message = excluded.message WHERE message = ''""",
)
_TAKES = Insert(
    into="replays (replay_id, merchant_id, taken, taken_us)",
    columns=4,
    conflict="""(replay_id) DO UPDATE SET
        taken = excluded.taken, taken_us = excluded.taken_us
        WHERE (excluded.taken_us, excluded.taken) > (taken_us, taken)""",
)
_ADVANCES = Insert(
    into="replays (replay_id, merchant_id, position, found, resent)",
    columns=5,
    conflict="""(replay_id) DO UPDATE SET position = excluded.position,
        found = excluded.found, resent = excluded.resent WHERE excluded.position > position""",
)
_ENDS = Insert(
    into="replays (replay_id, merchant_id, status, end_rank, finished_us, reason)",
    columns=6,
    conflict="""(replay_id) DO UPDATE SET status = excluded.status,
        end_rank = excluded.end_rank, finished_us = excluded.finished_us,
        reason = excluded.reason WHERE excluded.end_rank > end_rank""",
)
_ROUNDS = Insert(into="delivery_rounds", columns=3, conflict="(delivery_id, round) DO NOTHING")


def store_replays(connection: sqlite3.Connection, rows: Rows) -> None:
    """Store what a batch says of replays and of the rounds that they began."""
    _REQUESTS.run(connection, rows.replays)
    _TAKES.run(connection, rows.replay_takes)
    _ADVANCES.run(connection, rows.replay_advances)
    _ENDS.run(connection, rows.replay_ends)
    _ROUNDS.run(connection, rows.rounds)
