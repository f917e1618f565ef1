"""What was sent is credited to whom it was sent for, and a load that means nothing says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loadtests.arrivals import Arrival
from loadtests.crediting import credit, faults_of_load
from loadtests.disk import Disk
from loadtests.driving import Backlog, Course
from loadtests.formats import FORMATS, Account, told_reference
from loadtests.houses import House
from loadtests.journeys import STAGES, journeys
from loadtests.measuring import figures, series
from loadtests.orders import Orders
from loadtests.processes import Usage, Watch
from loadtests.profiles.reading import Profile
from loadtests.results import Result
from loadtests.schedule import CONFIRMED, PRELIMINARY, Notice, Payment, Schedule
from loadtests.verify import Fact

NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)
SECOND = 1_000_000_000
PROFILE = Profile(says="one", formats={"generic": 1}, receivers={"ok": 1})
PAYMENT = Payment(
    number=0, at_seconds=5, format="generic", merchant=0, is_known=True, is_live=True, pays=0
)
SCHEDULE = Schedule(
    payments=[PAYMENT],
    notices=[
        Notice(place=0, at_seconds=5, kind=PRELIMINARY, payments=(0,), first=0),
        Notice(place=1, at_seconds=6, kind=PRELIMINARY, payments=(0,), first=0),
        Notice(place=2, at_seconds=7, kind=CONFIRMED, payments=(0,), first=2),
    ],
)
ACCOUNT = Account(id="acc_0", notice_path="/n", config=FORMATS["generic"].config(0), api_key="k")
ORDERS = Orders(
    folder=Path(),
    port=1,
    profile=PROFILE,
    rate=1,
    seconds=10,
    merchants=1,
    seed=1,
    workers=1,
    paid_from=NOW,
    due_at=NOW + timedelta(days=30),
    accounts={"0 generic": ACCOUNT},
    readings=(),
)
REFERENCE = told_reference(PAYMENT, ORDERS.due)
PAID, TOLD, CONFIRMATION = (
    (kind, REFERENCE) for kind in ("invoice.paid", "payment.preliminary", "payment.confirmed")
)
UNMATCHED = ("payment.unmatched", REFERENCE)


def a_result(what: str = "notice", number: int = 0, **changes: object) -> Result:
    at_ns = (5 + number) * SECOND
    result = Result(
        what="notice",
        number=number,
        intended_ns=at_ns,
        sent_ns=at_ns + 1_000_000,
        answered_ns=at_ns + 3_000_000,
        status=202,
        is_good=True,
    )
    return replace(result, **{"what": what, **changes})  # type: ignore[arg-type]  # as the test says


REGISTERED = a_result(
    "invoice", intended_ns=2 * SECOND, sent_ns=2 * SECOND, answered_ns=2 * SECOND + 1, status=201
)
WAITED = a_result("wait", intended_ns=5 * SECOND, status=200)
ALL_WELL = [REGISTERED, WAITED, *(a_result(number=place) for place in range(3))]


def once(*facts: Fact) -> dict[Fact, int]:
    return dict.fromkeys(facts, 1)


def a_house(results: Sequence[Result], *, refuses_surely: bool = True) -> House:
    house = House(
        path="/ok/0",
        merchant_id="mer_0",
        api_key="k",
        endpoint_id="ep_0",
        endpoint_secret="whsec_",
        types=frozenset({"invoice.paid", "payment.confirmed", "payment.unmatched"}),
        accounts={"generic": ACCOUNT},
    )
    credit({0: house}, ORDERS, SCHEDULE, results, refuses_surely=refuses_surely)
    return house


# --- what must be told


def test_a_payment_that_was_told_of_and_confirmed_is_paid_once() -> None:
    expected = a_house(ALL_WELL).expected()

    assert expected.told == once(PAID, CONFIRMATION)
    assert expected.feed == once(PAID, TOLD, CONFIRMATION)
    assert expected.may_be_in_feed == {}
    assert [*expected.outcomes.values()] == [["matched"]] * 3
    assert a_house(ALL_WELL).notices == (2, 0)


def test_one_accepted_sending_is_enough_and_none_is_nothing() -> None:
    refused = a_result(number=0, status=503, is_good=False)
    other = a_result(number=1)

    assert a_house([REGISTERED, refused, other]).expected().told == once(PAID)
    assert a_house([REGISTERED, refused]).expected().feed == {}


def test_a_notice_without_an_answer_may_be_told() -> None:
    broken = a_result(status=0, is_good=False)

    house = a_house([REGISTERED, broken])

    assert house.expected().told == {}
    assert house.expected().may_be_told == once(PAID)
    assert house.notices == (0, 1)


@pytest.mark.parametrize("status", [200, 500, 503])
def test_what_was_refused_may_be_told_where_the_log_may_have_taken_it(status: int) -> None:
    refused = a_result(status=status, is_good=False)

    expected = a_house([REGISTERED, refused], refuses_surely=False).expected()

    assert (expected.told, expected.may_be_told) == ({}, once(PAID))
    assert a_house([REGISTERED, refused]).expected().may_be_told == {}
    assert a_house([REGISTERED, refused, a_result(tries=2)], refuses_surely=False).notices == (1, 0)


def test_a_refused_invoice_may_be_there_where_the_log_may_have_taken_it() -> None:
    refused = replace(REGISTERED, status=503, is_good=False)

    expected = a_house([refused, a_result()], refuses_surely=False).expected()

    assert expected.told == {}
    assert expected.may_be_told == once(PAID, UNMATCHED)


def test_what_was_refused_in_other_words_was_not_taken() -> None:
    refused = a_result(status=429, is_good=False)

    assert a_house([REGISTERED, refused], refuses_surely=False).expected().may_be_told == {}


def test_a_notice_that_overtook_its_invoice_may_have_been_unmatched_at_first() -> None:
    late = replace(REGISTERED, answered_ns=6 * SECOND)

    expected = a_house([late, a_result()]).expected()

    assert expected.told == once(PAID)
    assert expected.may_be_told == once(UNMATCHED)


def test_a_payment_whose_invoice_was_refused_is_unmatched() -> None:
    refused = replace(REGISTERED, status=503, is_good=False)

    expected = a_house([refused, a_result()]).expected()

    assert expected.told == once(UNMATCHED)
    assert expected.outcomes == {UNMATCHED: ["unmatched"]}


# --- a load that means nothing


def test_a_load_that_went_well_has_no_faults() -> None:
    again = a_result(sent_ns=9 * SECOND, tries=2)

    assert list(faults_of_load(SCHEDULE, [*ALL_WELL, again], lag_ms_max=20)) == []


@pytest.mark.parametrize(
    ("results", "fault"),
    [
        (ALL_WELL[:-1], "never sent 1 of 3 notices"),
        (ALL_WELL[1:], "never registered 1 of 1 invoices"),
        ([replace(each, sent_ns=each.sent_ns + SECOND) for each in ALL_WELL], "the bottleneck"),
        ([replace(each, is_good=False) for each in ALL_WELL], "no notice was accepted"),
    ],
)
def test_a_load_that_was_none_is_named(results: list[Result], fault: str) -> None:
    found = list(faults_of_load(SCHEDULE, results, lag_ms_max=20))

    assert any(fault in each for each in found), found


# --- figures


def a_course(results: Sequence[Result]) -> Course:
    watch = Watch({"api": 1})
    watch.looks = [
        (at * SECOND, {"api": Usage(cpu_seconds=at / 2, memory_mb=100 + at)}) for at in range(5)
    ]
    watch.memory_mb = {"api": [100.0, 101.0, 102.0]}
    watch.cpu_seconds = {"api": 0.5, "receiver": 0.1}
    backlog = Backlog(port=1, looks=[(SECOND, {"settling": 3}), (2 * SECOND, {"settling": 1})])
    return Course(
        begin_ns=0,
        results=results,
        watch=watch,
        backlog=backlog,
        disk=Disk(folders=[], looks=[(SECOND, {"log": 1.0}), (2 * SECOND, {"log": 1.5})]),
        around=frozenset({"receiver"}),
        wall_offset_ns=0,
    )


def an_arrival(kind: str, at_ns: int, **changes: object) -> Arrival:
    arrival = Arrival(
        path="/ok/0",
        at_ns=at_ns,
        webhook_id=f"evt_{kind}",
        timestamp="1",
        signature="",
        body="{}",
        type=kind,
        reference=REFERENCE,
        matched_ms=5_006.0,
    )
    return replace(arrival, **changes)  # type: ignore[arg-type]  # as the test says


def test_latency_counts_from_the_time_at_which_a_notice_was_meant_to_leave() -> None:
    arrivals = [
        an_arrival("invoice.paid", 5 * SECOND + 1, status=503),
        an_arrival("invoice.paid", 5 * SECOND + 10_000_000),
    ]
    house = a_house([REGISTERED, a_result()])
    course = a_course([REGISTERED, a_result()])

    (way,) = journeys({0: house}, SCHEDULE, course, arrivals, {"evt_invoice.paid": 5_008.0})

    assert [way.ms(stage) for stage in STAGES] == [3, 6, 8, None, 10]


def test_figures_add_up_what_was_seen() -> None:
    house, course = a_house(ALL_WELL), a_course([*ALL_WELL, a_result(number=0, is_good=False)])
    arrivals = [an_arrival("invoice.paid", 6 * SECOND), an_arrival("payment.confirmed", 9 * SECOND)]
    ways = journeys({0: house}, SCHEDULE, course, arrivals, {})

    found = figures(ways, course, SCHEDULE)
    shown = series(ways, course)

    assert found["notices_sent"] == 4
    assert found["notices_accepted"] == 3
    assert found["offered_per_second"] == found["requests_per_second"] == 2
    assert found["latency_ms"] == {"p50": 1_000, "p95": 2_000, "p99": 2_000, "max": 2_000}
    assert found["errors"] == {"notice 202": 1}
    assert found["stages_known"]["received"] == 2
    assert found["stages_known"]["notified"] == 0
    assert found["generator_lag_ms"]["max"] == found["generator_lag_ms_worst_second"] == 1
    assert found["backlog_most"] == {"settling": 3}
    assert found["drained_after_seconds"] == 2
    assert found["disk_mb"]["log"]["bytes_for_each_notice"] == 166_667
    assert shown["disk_mb"] == {"log": [(1, 1), (2, 1.5)]}
    assert found["cpu_ms_per_notice"]["product"] == pytest.approx(166.667)
    assert shown["cpu_percent"]["api"] == [(at, 50) for at in range(1, 5)]
    assert shown["rate"]["offered"] == [(5, 2), (6, 1), (7, 1)]
