"""A load whose generator was late says so, also where most of it was on time."""

from __future__ import annotations

from dataclasses import replace

from loadtests.crediting import faults_of_load
from loadtests.results import Result
from tests.unit.test_load_crediting import ALL_WELL, SCHEDULE, SECOND, a_result


def test_pages_of_a_feed_that_are_never_late_do_not_hide_that_notices_were() -> None:
    late = [replace(each, sent_ns=each.sent_ns + SECOND) for each in ALL_WELL]
    pages = [a_result("read", sent_ns=5 * SECOND)] * 1_000

    found = list(faults_of_load(SCHEDULE, [*late, *pages], lag_ms_max=20))

    assert any("left late by 1001.0 ms (p99)" in each for each in found), found


def test_a_generator_that_has_too_few_connections_is_late_and_named() -> None:
    starved = [replace(each, waited_ns=SECOND // 10) for each in ALL_WELL]
    kinds = {"notice", "invoice"}

    scheduled = list(faults_of_load(SCHEDULE, starved, lag_ms_max=20))
    one_wait = [replace(each, waited_ns=0) if each.what in kinds else each for each in starved]

    assert any("left late by 101.0 ms (p99)" in each for each in scheduled), scheduled
    (fault,) = faults_of_load(SCHEDULE, one_wait, lag_ms_max=20)
    assert "1 requests found all of its connections in use, for up to 100 ms" in fault
    assert list(faults_of_load(SCHEDULE, one_wait, lag_ms_max=200)) == []


def test_one_second_of_a_long_run_in_which_the_generator_stood_still_is_named() -> None:
    on_time = [a_result(number=place) for place in range(1_000)]
    stalled = [a_result(number=50, sent_ns=57 * SECOND + SECOND // 10)] * 2

    def found(results: list[Result], lag_ms_max: float = 20) -> str:
        return "\n".join(faults_of_load(SCHEDULE, [*ALL_WELL, *results], lag_ms_max=lag_ms_max))

    assert "in one second requests left late by 2100 ms (p99), 1000 are allowed" in found(
        [*on_time, *stalled]
    )
    assert "the bottleneck" not in found([*on_time, *stalled], 3_000)
    assert "the bottleneck" not in found(on_time)
