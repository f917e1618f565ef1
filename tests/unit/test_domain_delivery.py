"""What an endpoint wants to hear, and what follows an attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.delivery import (
    ATTEMPTS_MAX,
    OWN_RETRIES_MAX,
    OWN_RETRY_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MAX,
    RETRY_SPAN_MIN,
    RETRY_STEPS_SECONDS,
    Attempt,
    Delivered,
    EndpointGone,
    GivenUp,
    RetryAt,
    Verdict,
    after_attempt,
    delivery_key,
    wants,
)
from streams.domain.ids import DeliveryId
from tests.builders import ENDPOINT, NOW, an_attempt

STEPS = len(RETRY_STEPS_SECONDS)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("types", "wanted", "unwanted"),
    [
        ((), ["invoice.paid", "payment.confirmed"], []),
        (("*",), ["invoice.paid", "payment.confirmed"], []),
        (("invoice.paid",), ["invoice.paid"], ["invoice.part_paid", "payment.confirmed"]),
        (("invoice.*",), ["invoice.paid", "invoice.expired"], ["payment.confirmed", "invoice"]),
        (("payment.*", "invoice.paid"), ["payment.confirmed", "invoice.paid"], ["invoice.expired"]),
        (("inv*",), [], ["invoice.paid"]),
        (("invoices.*",), [], ["invoice.paid"]),
    ],
)
def test_patterns_cover_the_types_that_they_name(
    types: tuple[str, ...], wanted: list[str], unwanted: list[str]
) -> None:
    assert [kind for kind in wanted if not wants(types, kind)] == []
    assert [kind for kind in unwanted if wants(types, kind)] == []


def verdict(
    attempt: Attempt,
    *,
    made: int = 1,
    elapsed: timedelta = timedelta(0),
    fraction: float = 0.5,
    own: tuple[int, ...] = (),
) -> Verdict:
    return after_attempt(
        attempt,
        attempts_made=made,
        first_attempt_at=attempt.at - elapsed,
        fraction=fraction,
        retry_seconds=own,
    )


def retry_in(seconds: float) -> RetryAt:
    return RetryAt(due_at=NOW + timedelta(seconds=seconds))


FAILED = an_attempt(status_code=500, duration_ms=0)


@pytest.mark.parametrize("code", [200, 202, 204, 299])
def test_2xx_is_success(code: int) -> None:
    assert verdict(an_attempt(status_code=code)) == Delivered()


@pytest.mark.parametrize("code", [None, 100, 199, 300, 301, 307, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_not(code: int | None) -> None:
    assert isinstance(verdict(an_attempt(status_code=code)), RetryAt)


@pytest.mark.parametrize("made", [1, ATTEMPTS_MAX + 1])
def test_410_means_that_the_endpoint_is_gone(made: int) -> None:
    assert verdict(an_attempt(status_code=410), made=made) == EndpointGone(due_at=NOW)


@pytest.mark.parametrize("made", range(1, STEPS))
def test_the_wait_is_drawn_from_the_whole_step(made: int) -> None:
    step = RETRY_STEPS_SECONDS[made]

    assert verdict(FAILED, made=made, fraction=0.0) == retry_in(0)
    assert verdict(FAILED, made=made, fraction=0.5) == retry_in(step / 2)


def test_the_schedule_is_the_one_that_is_promised() -> None:
    minute, hour = 60, 3_600

    assert (
        *(0, 5, 30, 2 * minute, 10 * minute, 30 * minute),
        *(2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour),
    ) == RETRY_STEPS_SECONDS


def test_retry_after_makes_the_wait_longer_never_shorter() -> None:
    asked = replace(FAILED, retry_after_seconds=60)

    assert verdict(asked, made=1) == retry_in(60)
    assert verdict(asked, made=4, fraction=0.5) == retry_in(300)


def test_the_wait_begins_when_the_attempt_ends() -> None:
    """Else a receiver that hangs has no pause at all, and one that asks for time gets less."""
    late = replace(FAILED, duration_ms=15_000, retry_after_seconds=60)

    assert verdict(late) == retry_in(75)


def test_retry_after_is_honoured_within_a_day() -> None:
    asked = replace(FAILED, retry_after_seconds=10**9)

    assert verdict(asked) == retry_in(RETRY_AFTER_SECONDS_MAX)


def test_retries_go_on_for_three_days_at_least() -> None:
    last = RETRY_STEPS_SECONDS[-1]

    assert verdict(FAILED, made=STEPS, elapsed=RETRY_SPAN_MIN - MOMENT) == retry_in(last / 2)
    assert verdict(FAILED, made=STEPS, elapsed=RETRY_SPAN_MIN) == GivenUp()


def test_a_slow_schedule_is_made_to_its_last_step() -> None:
    made = STEPS - 1

    assert isinstance(verdict(FAILED, made=made, elapsed=RETRY_SPAN_MIN * 2), RetryAt)


def test_bad_luck_with_the_jitter_does_not_retry_for_ever() -> None:
    assert isinstance(verdict(FAILED, made=ATTEMPTS_MAX - 1), RetryAt)
    assert verdict(FAILED, made=ATTEMPTS_MAX) == GivenUp()


# --- an endpoint's own schedule


@pytest.mark.parametrize(("made", "step"), [(1, 60), (2, 600), (3, 3_600)])
def test_an_own_step_is_drawn_from_as_a_whole(made: int, step: int) -> None:
    own = (60, 600, 3_600)

    assert verdict(FAILED, made=made, own=own, fraction=0.0) == retry_in(0)
    assert verdict(FAILED, made=made, own=own, fraction=0.5) == retry_in(step / 2)


def test_an_own_schedule_ends_with_its_last_step_however_little_time_has_passed() -> None:
    assert verdict(FAILED, made=4, own=(60, 600, 3_600)) == GivenUp()
    assert verdict(FAILED, made=2, own=(5,), elapsed=MOMENT) == GivenUp()


def test_an_own_schedule_is_made_to_its_last_step_however_much_time_has_passed() -> None:
    assert isinstance(verdict(FAILED, made=3, own=(9,) * 3, elapsed=RETRY_SPAN_MIN * 9), RetryAt)


def test_an_own_schedule_changes_nothing_of_what_an_answer_says() -> None:
    assert verdict(an_attempt(), own=(60,)) == Delivered()
    assert verdict(an_attempt(status_code=410), made=9, own=(60,)) == EndpointGone(due_at=NOW)
    asked = replace(FAILED, retry_after_seconds=10**9)
    assert verdict(asked, own=(60,)) == retry_in(RETRY_AFTER_SECONDS_MAX)
    assert verdict(asked, made=2, own=(60,)) == GivenUp()


schedules = st.lists(st.integers(1, OWN_RETRY_SECONDS_MAX), max_size=OWN_RETRIES_MAX).map(tuple)


@given(schedules, st.lists(st.floats(0, 1, exclude_max=True), min_size=ATTEMPTS_MAX, max_size=99))
def test_any_schedule_ends_and_never_waits_longer_than_its_step(
    own: tuple[int, ...], fractions: list[float]
) -> None:
    at = NOW
    for made, fraction in enumerate(fractions, start=1):
        said = after_attempt(
            replace(FAILED, number=made, at=at),
            attempts_made=made,
            first_attempt_at=NOW,
            fraction=fraction,
            retry_seconds=own,
        )
        if isinstance(said, GivenUp):
            break
        assert isinstance(said, RetryAt)
        steps = own or RETRY_STEPS_SECONDS[1:]
        step = timedelta(seconds=steps[min(made, len(steps)) - 1])
        assert at <= said.due_at <= at + step
        at = said.due_at
    if own:
        assert made == len(own) + 1
    else:
        assert made == ATTEMPTS_MAX or (made >= STEPS and at - NOW >= RETRY_SPAN_MIN)


def test_the_key_of_a_delivery_is_found_by_its_time_in_whole_milliseconds() -> None:
    """A webhook's body has no more of it, and an acknowledgement knows no more."""
    for millisecond in range(1_000):
        whole = NOW.replace(microsecond=millisecond * 1_000)
        keys = {
            delivery_key(ENDPOINT, whole + timedelta(microseconds=rest), DeliveryId("dlv_1"))
            for rest in (0, 1, 999)
        }
        assert len(keys) == 1
