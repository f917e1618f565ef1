"""When a 2xx is enough, when it is told again, and when that ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from streams.domain.acknowledging import (
    ACK_TELLINGS_MAX,
    TellAgain,
    ack_seconds,
    after_telling,
    is_unacknowledged,
    waits_for_its_time,
)
from streams.domain.delivery import Attempt, Delivered, Delivery, GivenUp, RetryAt, Verdict
from tests.builders import NOW, a_delivery, an_attempt, an_endpoint

OK, BAD = an_attempt(), an_attempt(status_code=500)
RELEASED = an_attempt(released_at=NOW)
ASKING = replace(an_endpoint(), ack_required=True, ack_seconds=600)
AGAIN = TellAgain(due_at=NOW + timedelta(seconds=600))
RETRY = RetryAt(due_at=NOW)


def test_an_acknowledgement_is_waited_for_only_where_it_is_wanted_and_missing() -> None:
    delivery = a_delivery()

    assert ack_seconds(delivery, ASKING) == 600
    assert ack_seconds(delivery, an_endpoint()) == 0
    assert ack_seconds(replace(delivery, acknowledged=True), ASKING) == 0


@pytest.mark.parametrize(
    "delivery", [a_delivery(attempts=1), replace(a_delivery(number_of_round=1), tellings=1)]
)
def test_a_further_attempt_or_telling_waits_for_its_time(delivery: Delivery) -> None:
    assert waits_for_its_time(delivery)


@pytest.mark.parametrize("delivery", [a_delivery(), a_delivery(number_of_round=1)])
def test_a_first_attempt_is_due_at_once_also_of_a_resend(delivery: Delivery) -> None:
    assert not waits_for_its_time(delivery)


@pytest.mark.parametrize(
    ("verdict", "tellings", "expected"),
    [
        (Delivered(), 0, AGAIN),
        (Delivered(), ACK_TELLINGS_MAX - 2, AGAIN),
        (Delivered(), ACK_TELLINGS_MAX - 1, Delivered()),
    ],
)
def test_a_2xx_without_an_acknowledgement_is_told_again_a_few_times(
    verdict: Verdict, tellings: int, expected: Verdict | TellAgain
) -> None:
    assert after_telling(verdict, OK, tellings=tellings, seconds=600) == expected
    assert is_unacknowledged(OK, 600)


@pytest.mark.parametrize(("attempt", "seconds"), [(OK, 0), (RELEASED, 600), (RELEASED, 0)])
def test_a_2xx_is_enough_with_an_acknowledgement_or_where_none_is_wanted(
    attempt: Attempt, seconds: int
) -> None:
    assert after_telling(Delivered(), attempt, tellings=0, seconds=seconds) == Delivered()
    assert not is_unacknowledged(attempt, seconds)


def test_a_failure_is_retried_as_ever() -> None:
    assert after_telling(RETRY, BAD, tellings=1, seconds=600) == RETRY
    assert after_telling(GivenUp(), BAD, tellings=0, seconds=600) == GivenUp()
    assert not is_unacknowledged(BAD, 600)


def test_what_was_delivered_before_stays_so_when_it_is_told_again_in_vain() -> None:
    assert after_telling(GivenUp(), BAD, tellings=1, seconds=600) == Delivered()
