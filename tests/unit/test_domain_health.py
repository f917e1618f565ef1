"""When an endpoint is failing, when it is paused, and that neither order nor repeats matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.delivery import Attempt, Endpoint, EndpointStatus
from streams.domain.health import (
    FAILED_HOURS_MIN,
    FAILING_TOLD_AFTER,
    PAUSED_AFTER,
    Health,
    StatusReason,
    Turn,
)
from tests.builders import an_attempt, an_endpoint

START = datetime(2026, 11, 24, 1, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOMENT = timedelta(microseconds=1)


def failing(*times: timedelta) -> Health:
    health = Health()
    for each in times:
        health = health.failed(START + each)
    return health


PAUSED = failing(*(HOUR * n for n in range(FAILED_HOURS_MIN - 1)), PAUSED_AFTER)


def turns(health: Health, *times: timedelta) -> list[Turn | None]:
    """What each further failure changed."""
    found: list[Turn | None] = []
    for each in times:
        health = health.failed(START + each)
        found.append(health.turn_at(START + each))
    return found


# --- the rule


def test_it_warns_after_an_hour_a_day_and_three_days_and_then_pauses() -> None:
    hours = [HOUR * n for n in range(24 * 6)]
    told = {span: turn for span, turn in zip(hours, turns(Health(), *hours), strict=True) if turn}

    assert told == {
        HOUR: Turn.WARNED,
        DAY: Turn.WARNED,
        3 * DAY: Turn.WARNED,
        5 * DAY: Turn.PAUSED,
    }
    assert (*FAILING_TOLD_AFTER, PAUSED_AFTER) == (HOUR, DAY, 3 * DAY, 5 * DAY)


def test_it_is_paused_after_five_days_and_not_a_moment_before() -> None:
    early = failing(*(HOUR * n for n in range(FAILED_HOURS_MIN)), PAUSED_AFTER - MOMENT)

    assert (early.stopped, PAUSED.stopped) == (None, StatusReason.FAILING)
    assert PAUSED.failing_since == START


def test_failures_of_few_hours_do_not_pause_however_many_they_are() -> None:
    minutes = [timedelta(minutes=n) for n in range(40)]
    days = [DAY * n for n in range(1, FAILED_HOURS_MIN - 1)]

    assert failing(*minutes, *days).stopped is None
    assert failing(*minutes, *days, DAY * 10).stopped is StatusReason.FAILING


def test_a_failure_that_passes_two_marks_is_told_once() -> None:
    assert turns(Health(), timedelta(), 2 * DAY, 2 * DAY + HOUR) == [None, Turn.WARNED, None]


def test_a_success_ends_it_and_its_hour_counts_as_good() -> None:
    better = PAUSED.succeeded(START + 6 * DAY)
    same_hour = better.failed(START + 6 * DAY + timedelta(minutes=44))

    assert (better.stopped, better.failing_since) == (None, None)
    assert better.turn_at(START + 6 * DAY) is Turn.RECOVERED
    assert same_hour == better
    assert better.failed(START + 6 * DAY + HOUR).failing_since == START + 6 * DAY + HOUR


def test_a_success_that_ends_nothing_that_was_told_is_worth_no_word() -> None:
    better = failing(timedelta()).succeeded(START + HOUR)

    assert better.failing_since is None
    assert better.turn_at(START + HOUR) is None
    assert better.turn_at(START + 2 * HOUR) is None


def test_a_success_before_the_failures_leaves_them() -> None:
    assert PAUSED.succeeded(START - HOUR).failures == PAUSED.failures
    assert PAUSED.succeeded(START - HOUR).turn_at(START - HOUR) is None


def test_a_410_stops_at_once_and_a_success_beside_it_does_not_undo_it() -> None:
    gone = Health().gone(START).gone(START + HOUR)

    assert (gone.stopped, gone.turn_at(START)) == (StatusReason.GONE, Turn.GONE)
    assert gone.turn_at(START + HOUR) is None
    assert gone.succeeded(START + HOUR).stopped is StatusReason.GONE
    assert gone.gone(START - HOUR).turn_at(START - HOUR) is Turn.GONE


def test_what_was_before_a_person_enabled_it_is_forgotten() -> None:
    both = PAUSED.gone(START + HOUR)

    assert both.since(START) == both
    assert both.since(START + HOUR + MOMENT).gone_at is None
    assert both.since(START + HOUR + MOMENT).failing_since == START + 2 * HOUR
    assert both.since(START + 6 * DAY).stopped is None


# --- an endpoint


def attempt_at(span: timedelta, *, status_code: int | None = 500, number: int = 1) -> Attempt:
    return an_attempt(at=START + span, status_code=status_code, number=number)


def heard(endpoint: Endpoint, *attempts: Attempt) -> Endpoint:
    for attempt in attempts:
        endpoint = endpoint.heard(attempt)
    return endpoint


NEW = an_endpoint(created_at=START)


def test_retries_that_fail_say_nothing_and_one_that_succeeds_ends_it() -> None:
    failed = heard(NEW, attempt_at(HOUR), attempt_at(2 * HOUR, number=2))

    assert failed.health.failures == (START + HOUR,)
    assert heard(failed, attempt_at(3 * HOUR, number=5, status_code=200)).health.failures == ()


def test_attempts_before_a_person_enabled_it_say_nothing() -> None:
    enabled = replace(NEW, enabled_at=START + DAY)

    for code in (200, 410, 500):
        assert heard(enabled, attempt_at(DAY - MOMENT, status_code=code)) == enabled
        assert heard(enabled, attempt_at(DAY, status_code=code)) != enabled


@pytest.mark.parametrize(
    ("health", "status", "reason"),
    [
        (Health(), EndpointStatus.ENABLED, None),
        (PAUSED, EndpointStatus.PAUSED, StatusReason.FAILING),
        (Health().gone(START), EndpointStatus.DISABLED, StatusReason.GONE),
        (PAUSED.gone(START), EndpointStatus.DISABLED, StatusReason.GONE),
    ],
)
def test_the_status_is_what_a_person_wants_unless_attempts_stand_against_it(
    health: Health, status: EndpointStatus, reason: StatusReason | None
) -> None:
    endpoint = NEW.with_health(health)
    by_person = replace(endpoint, status=EndpointStatus.DISABLED)

    assert (endpoint.effective_status, endpoint.status_reason) == (status, reason)
    assert by_person.effective_status is EndpointStatus.DISABLED
    assert by_person.status_reason is None


ATTEMPTS = st.lists(
    st.builds(
        attempt_at,
        st.timedeltas(min_value=timedelta(), max_value=timedelta(days=9)),
        status_code=st.sampled_from([500] * 20 + [None] * 10 + [200, 410]),
        number=st.sampled_from([1, 1, 1, 2]),
    ),
    min_size=12,
    max_size=40,
)


@given(st.data(), ATTEMPTS)
def test_any_order_and_repeats_of_the_same_attempts_decide_the_same(
    data: st.DataObject, attempts: list[Attempt]
) -> None:
    once = heard(NEW, *attempts)
    repeats = data.draw(st.lists(st.sampled_from(attempts), max_size=10))
    again = heard(NEW, *data.draw(st.permutations([*attempts, *repeats])))

    assert again.health.failures == once.health.failures
    assert again.effective_status is once.effective_status
    assert again.status_reason is once.status_reason
    assert again.health.failing_since == once.health.failing_since


@given(ATTEMPTS)
def test_a_replay_changes_nothing_whether_it_is_of_one_attempt_or_of_all(
    attempts: list[Attempt],
) -> None:
    endpoint = NEW
    for attempt in attempts:
        endpoint = endpoint.heard(attempt)
        assert endpoint.heard(attempt) == endpoint

    assert heard(endpoint, *attempts) == endpoint
