"""What each message of a replay means as a row: pure, and the same in any order."""

from __future__ import annotations

from collections.abc import Callable

from connectors.history.rows import Row, Rows
from connectors.history.sql import micros
from streams.codecs import encode
from streams.domain.replay import ReplayStatus
from streams.ports import Archived
from streams.replays import ReplayAdvanced, ReplayEnded, ReplayRequested, ReplayTaken

_END_RANKS = {ReplayStatus.CANCELLED: 1 << 52, ReplayStatus.DONE: 2 << 52}
"""The greater rank of an end holds: done over cancelled, and of equal ones the earlier."""


def _requested(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, ReplayRequested)
    rows.replays.append(
        (
            message.replay_id,
            message.merchant_id,
            message.endpoint_id,
            micros(message.at),
            encode(message).decode(),
        )
    )


def _taken(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, ReplayTaken)
    taken_us = micros(archived.recorded_at)
    rows.replay_takes.append(
        (message.replay_id, message.merchant_id, archived.place.name, taken_us)
    )


def _advanced(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, ReplayAdvanced)
    reached = message.position, message.found, message.resent
    rows.replay_advances.append((message.replay_id, message.merchant_id, *reached))


def _ended(rows: Rows, archived: Archived) -> None:
    message = archived.message
    assert isinstance(message, ReplayEnded)
    at_us = micros(message.at)
    end: Row = message.status, _END_RANKS[message.status] - at_us, at_us, message.reason or ""
    rows.replay_ends.append((message.replay_id, message.merchant_id, *end))


REPLAY_PROJECTIONS: dict[type, Callable[[Rows, Archived], None]] = {
    ReplayRequested: _requested,
    ReplayTaken: _taken,
    ReplayAdvanced: _advanced,
    ReplayEnded: _ended,
}
