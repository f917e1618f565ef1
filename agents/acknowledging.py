"""What follows where a 2xx is not enough: a delivery is told again until it is acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from agents.dropping import drop
from agents.lanes import Lanes
from agents.step import Result, record
from streams.domain.acknowledging import TellAgain, after_telling
from streams.domain.delivery import Delivery, Endpoint, Verdict, after_attempt, delivery_key
from streams.domain.ids import delivery_id
from streams.happenings import AcknowledgementTaken
from streams.messages import AttemptMade, DropReason, EventAcknowledged
from streams.topics import HISTORY, NOTIFICATIONS
from tables.pending import Pending


def verdict_of(
    message: AttemptMade, under_way: Delivery | None, endpoints: Sequence[Endpoint]
) -> Verdict | TellAgain:
    """What follows an attempt, by what it says.

    Nobody is told again who has acknowledged meanwhile, as the row knows, of what is over, or whose
    endpoint was removed: what was pending for it is on its way to be dropped, in the round that it
    had then. An attempt that is read again finds the round after it under way; where that is over
    too, history hears of its end, which counts more than what is said of this one.
    """
    verdict = after_attempt(
        message.attempt,
        attempts_made=message.attempt.number,
        first_attempt_at=message.first_attempt_at,
        fraction=message.fraction,
        retry_seconds=message.retry_seconds,
    )
    is_over = under_way is None or (under_way.round == message.round and under_way.acknowledged)
    is_there = any(each.endpoint_id == message.endpoint_id for each in endpoints)
    seconds = message.ack_seconds if is_there and not is_over else 0
    return after_telling(verdict, message.attempt, tellings=message.tellings, seconds=seconds)


def tell_again(row: Delivery, due_at: datetime, pending: Pending, lanes: Lanes) -> None:
    """The delivery waits as one more round, beside its invoice's row: who came after it goes on.

    The neighbours are written first. What a crash leaves of it is written again, for until the
    last write the delivery stands in the round that was attempted.
    """
    follower = pending.get(row.then) if row.then else None
    before = pending.get(row.after) if row.after else None
    if follower is not None:
        follower = replace(follower, after=before.key if before is not None else "")
        pending.put(follower)
    if before is not None:
        pending.put(replace(before, then=row.then))
    again = replace(
        row,
        round=row.round + 1,
        attempts=0,
        first_attempt_at=None,
        due_at=due_at,
        tellings=row.tellings + 1,
        after="",
        then="",
    )
    pending.put(again)
    lanes.withdraw(row.delivery_id)
    if follower is not None and before is None:
        lanes.follow(follower, row.delivery_id)
    lanes.offer(again)


def acknowledged(
    message: EventAcknowledged, endpoints: Sequence[Endpoint], pending: Pending
) -> Result:
    """Nobody is told again; what has not arrived yet is delivered all the same.

    What waits leaves the table with an event of its own, as everything that ends unmade.
    """
    drops = []
    for endpoint in endpoints:
        if message.endpoint_id in {None, endpoint.endpoint_id}:
            made = delivery_id(message.event_id, endpoint.endpoint_id)
            row = pending.get(delivery_key(endpoint.endpoint_id, message.told_at, made))
            if row is not None:
                # Also where it waits: an attempt may be under way that would have it wait again.
                pending.put(replace(row, acknowledged=True))
                if row.tellings:
                    drops.append(drop(row, message.at, DropReason.TOLD))
    taken = AcknowledgementTaken(
        merchant_id=message.merchant_id,
        event_id=message.event_id,
        told_at=message.told_at,
        at=message.at,
        endpoint_id=message.endpoint_id,
        released_at=message.released_at,
        asking_ids=tuple(each.endpoint_id for each in endpoints if each.ack_required),
    )
    records = (
        record(HISTORY, message.merchant_id, taken),
        *(record(NOTIFICATIONS, message.merchant_id, each) for each in drops),
    )
    facts = {"merchant_id": message.merchant_id, "event_id": message.event_id}
    return Result(records=records, outcome="acknowledged", facts=facts)
