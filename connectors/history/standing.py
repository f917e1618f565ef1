"""How late in the life of a delivery a message speaks: the latest says how the delivery stands."""

from __future__ import annotations

from streams.domain.delivery import DeliveryStatus
from streams.happenings import DeliveryAttempted

ATTEMPTS_PER_ROUND_MAX = 2**20
"""Room for the attempts of one round and for three ends."""

_DELIVERED = ATTEMPTS_PER_ROUND_MAX - 1
_ENDS = {
    DeliveryStatus.FAILED: ATTEMPTS_PER_ROUND_MAX - 2,
    DeliveryStatus.SUPERSEDED: ATTEMPTS_PER_ROUND_MAX - 3,
}
"""Ends without an attempt; each has a place of its own, so that of two the same one holds."""


def standing_at_start(number_of_round: int) -> int:
    """Before the first attempt of a round."""
    return number_of_round * ATTEMPTS_PER_ROUND_MAX


def standing_after(message: DeliveryAttempted) -> int:
    """After an attempt, or an end without one; delivered is final in its round."""
    return standing_at_start(message.round) + _in_round(message)


def _in_round(message: DeliveryAttempted) -> int:
    if message.status is DeliveryStatus.DELIVERED:
        return _DELIVERED
    if message.attempt is None:
        return _ENDS.get(message.status, 0)
    assert 1 <= message.attempt.number < min(_ENDS.values())
    return message.attempt.number
