"""What a round that is begun again needs: its place behind others of its invoice, or its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from agents.step import record
from streams.domain.delivery import Delivery
from streams.domain.replay import EndReason, ReplayStatus
from streams.ports import Record
from streams.replays import ReplayEnded
from streams.topics import HISTORY
from tables.pending import Pending


def placed(delivery: Delivery, under_way: Delivery | None, pending: Pending) -> Delivery:
    """The delivery behind the one that it comes `after`, which learns of it.

    One that is under way keeps its place; any other had ended. Where the one before has ended, is
    not sent again itself, or has another behind it already, there is nothing to wait for.
    """
    if under_way is not None:
        acknowledged = delivery.acknowledged or under_way.acknowledged
        after, then = under_way.after, under_way.then
        return replace(
            delivery,
            after=after,
            then=then,
            acknowledged=acknowledged,
            had_ended=under_way.had_ended or under_way.tellings > 0,
        )
    before = pending.get(delivery.after) if delivery.after else None
    is_ahead = before is not None and before.had_ended and not before.tellings
    if before is None or not is_ahead or before.then not in {"", delivery.key}:
        return replace(delivery, after="", had_ended=True)
    pending.put(replace(before, then=delivery.key))
    return replace(delivery, had_ended=True)


def end_of_replay(delivery: Delivery, at: datetime) -> tuple[Record, ...]:
    """A replay to an endpoint that was removed ends with the first resend that finds it gone."""
    if delivery.replay_id is None:
        return ()
    ended = ReplayEnded(
        merchant_id=delivery.merchant_id,
        replay_id=delivery.replay_id,
        status=ReplayStatus.CANCELLED,
        at=at,
        reason=EndReason.ENDPOINT_REMOVED,
    )
    return (record(HISTORY, delivery.merchant_id, ended),)
