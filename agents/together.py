"""Which attempts are told to the notifying step together, in one record of the log."""

from __future__ import annotations

from collections.abc import Sequence

from agents.step import record
from streams.domain.delivery import SUCCESS
from streams.domain.ids import MerchantId
from streams.messages import AttemptMade, AttemptsMade
from streams.ports import Record
from streams.topics import NOTIFICATIONS

TOGETHER_MAX = 32
"""A record for each attempt costs the step more than the attempt; a larger one holds others up."""


def records_of(made: Sequence[AttemptMade]) -> list[Record]:
    """Attempts as records, each merchant's successes together.

    What fails goes alone: it may be the turn at which the merchant's other endpoints are told of
    this one, and what is told once is known by the record that it follows from.
    """
    together: list[list[AttemptMade]] = []
    latest: dict[MerchantId, list[AttemptMade]] = {}
    for one in made:
        some = latest.get(one.merchant_id)
        if one.attempt.status_code not in SUCCESS:
            together.append([one])
        elif some is not None and len(some) < TOGETHER_MAX:
            some.append(one)
        else:
            latest[one.merchant_id] = [one]
            together.append(latest[one.merchant_id])
    return [_record(some) for some in together]


def _record(some: Sequence[AttemptMade]) -> Record:
    merchant_id = some[0].merchant_id
    if len(some) == 1:
        return record(NOTIFICATIONS, merchant_id, some[0])
    return record(
        NOTIFICATIONS, merchant_id, AttemptsMade(merchant_id=merchant_id, attempts=tuple(some))
    )
