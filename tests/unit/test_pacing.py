"""How many attempts at a time an endpoint is given, and when it is given none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.pacing import (
    FAILURES_MAX,
    PAUSE_SECONDS_FIRST,
    PAUSE_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MAX,
    Pace,
)
from streams.domain.delivery import Attempt
from tests.builders import an_attempt

OK = an_attempt()
TOO_MANY, DOWN = an_attempt(status_code=429), an_attempt(status_code=503)
WRONG = an_attempt(status_code=404)
SILENT = an_attempt(status_code=None, error="timeout")


class Endpoint:
    """An endpoint that is always asked for more, and a clock that moves by its answers."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.now = 100.0

    @property
    def at_once(self) -> int:
        """How many attempts may be under way."""
        return next(n for n in range(10_000) if not self.pace.allows(self.now, n))

    def answers(self, attempt: Attempt = OK, *, seconds: float = 0.01, times: int = 1) -> None:
        for _ in range(times):
            begun, in_flight = self.now, max(self.at_once, 1)
            self.now += seconds
            self.pace.landed(attempt, begun=begun, now=self.now, in_flight=in_flight)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def test_it_begins_with_one_and_grows_with_each_success(endpoint: Endpoint) -> None:
    grown = [endpoint.at_once]
    for _ in range(5):
        endpoint.answers()
        grown.append(endpoint.at_once)

    assert grown == [1, 2, 3, 4, 5, 6]


def test_nobody_who_does_not_ask_for_more_is_given_more(endpoint: Endpoint) -> None:
    endpoint.answers(times=4)

    for _ in range(20):
        endpoint.pace.landed(an_attempt(), begun=endpoint.now, now=endpoint.now + 0.01, in_flight=1)

    assert endpoint.at_once == 5


@pytest.mark.parametrize("attempt", [TOO_MANY, DOWN, SILENT], ids=["429", "503", "silence"])
def test_too_much_halves_it_and_then_it_grows_slowly(endpoint: Endpoint, attempt: Attempt) -> None:
    endpoint.answers(times=15)

    endpoint.answers(attempt)
    assert endpoint.at_once == 8
    endpoint.answers(times=8)
    assert endpoint.at_once == 8
    endpoint.answers(times=2)
    assert endpoint.at_once == 9


def test_attempts_that_were_under_way_together_say_it_once(endpoint: Endpoint) -> None:
    endpoint.answers(times=15)
    begun = endpoint.now

    for _ in range(9):
        endpoint.pace.landed(DOWN, begun=begun, now=begun + 1, in_flight=16)
        endpoint.pace.slowed(begun, begun + 1)

    assert endpoint.pace.at_once == 8.0


def test_a_wrong_answer_is_no_sign_of_too_much(endpoint: Endpoint) -> None:
    endpoint.answers(times=15)

    endpoint.answers(WRONG)

    assert endpoint.at_once == 16


def test_slower_and_slower_answers_end_the_growth(endpoint: Endpoint) -> None:
    endpoint.answers(seconds=0.1, times=7)

    endpoint.answers(seconds=0.5, times=20)

    assert endpoint.at_once == 8


def test_a_server_that_became_slower_for_good_may_grow_again(endpoint: Endpoint) -> None:
    endpoint.answers(seconds=0.1, times=7)

    endpoint.answers(seconds=0.5, times=1_000)

    assert endpoint.at_once > 100


def test_failures_in_a_row_open_the_circuit_and_one_attempt_probes_it(endpoint: Endpoint) -> None:
    endpoint.answers(times=15)
    endpoint.answers(DOWN, times=FAILURES_MAX - 1)
    assert endpoint.at_once > 0
    endpoint.answers(DOWN)
    assert endpoint.at_once == 0

    endpoint.now += PAUSE_SECONDS_FIRST
    assert endpoint.at_once == 1
    endpoint.answers()

    assert endpoint.at_once == 2


def test_a_success_between_failures_keeps_the_circuit_closed(endpoint: Endpoint) -> None:
    for _ in range(5):
        endpoint.answers(WRONG, times=FAILURES_MAX - 1)
        endpoint.answers()

    assert endpoint.at_once > 0


def test_each_probe_that_fails_doubles_the_pause_within_a_bound(endpoint: Endpoint) -> None:
    endpoint.answers(DOWN, times=FAILURES_MAX)
    pauses = []
    for _ in range(9):
        pauses.append(round(endpoint.pace.closed_until - endpoint.now))
        endpoint.now = endpoint.pace.closed_until
        endpoint.answers(SILENT)

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, PAUSE_SECONDS_MAX]


def test_what_was_under_way_when_the_circuit_opened_opens_it_no_further(
    endpoint: Endpoint,
) -> None:
    begun = endpoint.now - 1
    endpoint.answers(DOWN, times=FAILURES_MAX)
    closed_until = endpoint.pace.closed_until

    for _ in range(50):
        endpoint.pace.landed(SILENT, begun=begun, now=endpoint.now + 0.5, in_flight=8)

    assert endpoint.pace.closed_until == closed_until


@pytest.mark.parametrize(("asked", "seconds"), [(7, 7), (86_400, RETRY_AFTER_SECONDS_MAX)])
def test_an_endpoint_that_asks_for_time_gets_it_within_a_bound(
    endpoint: Endpoint, asked: int, seconds: float
) -> None:
    endpoint.answers(replace(TOO_MANY, retry_after_seconds=asked))

    assert endpoint.pace.closed_until == endpoint.now + seconds


def test_another_server_is_not_blamed_for_the_one_before(endpoint: Endpoint) -> None:
    endpoint.answers(DOWN, times=FAILURES_MAX)

    endpoint.pace.forget()

    assert endpoint.pace == Pace()
