"""Which attempts are told to the notifying step together, in one record of the log."""

from __future__ import annotations

from collections.abc import Sequence

from agents.step import record
from connectors.log.places import partition_of
from streams.domain.delivery import SUCCESS
from streams.messages import AttemptMade, AttemptsMade
from streams.ports import Record
from streams.topics import NOTIFICATIONS

TOGETHER_MAX = 32
"""A record for each attempt costs the step more than the attempt; a larger one holds others up."""


def records_of(made: Sequence[AttemptMade], *, partitions: int) -> list[Record]:
    """Attempts as records, the successes of each partition together, of whichever merchant.

    What fails goes alone: it may be the turn at which the merchant's other endpoints are told of
    this one, and what is told once is known by the record that it follows from.
    """
    together: list[list[AttemptMade]] = []
    latest: dict[int, list[AttemptMade]] = {}
    for one in made:
        if one.attempt.status_code not in SUCCESS:
            together.append([one])
            continue
        partition = partition_of(one.merchant_id.encode(), partitions)
        some = latest.get(partition)
        if some is not None and len(some) < TOGETHER_MAX:
            some.append(one)
        else:
            latest[partition] = [one]
            together.append(latest[partition])
    return [_record(some) for some in together]


def _record(some: Sequence[AttemptMade]) -> Record:
    merchant_id = some[0].merchant_id
    if len(some) == 1:
        return record(NOTIFICATIONS, merchant_id, some[0])
    return record(
        NOTIFICATIONS, merchant_id, AttemptsMade(merchant_id=merchant_id, attempts=tuple(some))
    )
