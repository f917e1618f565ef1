"""The audit says in sentences whether the laws hold, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

import pytest

from ops.audit import Report, audit, cut_off, judge, lag_by_stage
from streams.counts import Counts
from streams.ports import History
from tests.builders import NOW

ZERO = Counts(
    accepted=0, matched=0, unmatched=0, quarantined=0, in_flight=0, repeated=0, noted=0,
    notified=0, delivered=0, pending=0, retrying=0, failed=0, superseded=0, events=0,
    told=0, untold=0,
)  # fmt: skip
WHOLE = replace(
    ZERO, accepted=10, matched=7, unmatched=2, quarantined=1,
    notified=9, delivered=5, pending=1, retrying=2, failed=1, told=7,
)  # fmt: skip
NO_LAG = {"resolving": 0, "settling": 0, "notifying": 0, "archiving": 0}


def test_figures_that_add_up_hold() -> None:
    report = judge(WHOLE, NO_LAG, still=True)

    assert report.holds
    assert [law.sentence for law in report.laws] == [
        "accepted 10 = matched 7 + unmatched 2 + quarantined 1",
        "events that tell of a matched notice 7 >= matched 7",
        "notified 9 = delivered 5 + pending 3 + failed 1",
        "all that was committed is stored, and by this log",
    ]


def test_a_history_that_is_not_the_logs_is_a_difference_however_well_it_adds_up() -> None:
    report = judge(WHOLE, NO_LAG, still=True, strangeness=["one thing", "another"])

    assert report.differences == ("one thing; another",)


def test_what_was_superseded_is_told_and_not_missing() -> None:
    report = judge(replace(WHOLE, superseded=2, notified=11), NO_LAG, still=True)

    assert report.holds
    assert report.laws[2].sentence == (
        "notified 11 = delivered 5 + pending 3 + failed 1 + superseded 2"
    )


def test_a_notice_that_is_missing_is_a_difference() -> None:
    report = judge(replace(WHOLE, accepted=12), NO_LAG, still=True)

    assert not report.holds
    assert report.differences == (
        "accepted 12 = matched 7 + unmatched 2 + quarantined 1: it does not add up, 2 too few",
    )


def test_a_notice_that_counts_twice_is_a_difference() -> None:
    report = judge(replace(WHOLE, matched=8, told=8), NO_LAG, still=True)

    assert report.differences[0].endswith("it does not add up, 1 too many")


def test_a_matched_notice_that_nobody_was_told_of_is_a_difference() -> None:
    report = judge(replace(WHOLE, told=5), NO_LAG, still=True)

    assert [each.partition(": ")[2] for each in report.differences] == [
        "so many were matched and never told: 2 at least"
    ]


def test_what_is_older_than_the_feed_is_said_and_no_difference() -> None:
    report = judge(replace(WHOLE, told=5, untold=2), NO_LAG, still=True)

    assert report.holds
    assert "notice 5 + notices older than the feed 2 >= matched 7" in report.laws[1].sentence


def test_what_is_told_is_not_judged_while_something_moves() -> None:
    report = judge(replace(WHOLE, told=5), NO_LAG, still=False)

    assert report.holds
    assert report.laws[1].sentence.endswith("not judged while records are on their way, 2 differ")


def test_a_delivery_that_is_missing_is_a_difference() -> None:
    report = judge(replace(WHOLE, delivered=4), NO_LAG, still=True)

    assert report.differences == (
        "notified 9 = delivered 4 + pending 3 + failed 1: it does not add up, 1 too few",
    )


ON_THE_WAY = replace(WHOLE, accepted=11, in_flight=1)


@pytest.mark.parametrize(("lag", "still"), [({**NO_LAG, "settling": 1}, True), (NO_LAG, False)])
def test_a_notice_may_be_on_the_way_while_something_moves(
    *, lag: dict[str, int], still: bool
) -> None:
    report = judge(ON_THE_WAY, lag, still=still)

    assert report.holds
    assert "+ on the way 1" in report.laws[0].sentence


def test_a_notice_without_outcome_is_silent_once_everything_was_read() -> None:
    report = judge(ON_THE_WAY, NO_LAG, still=True)

    assert "so many accepted notices have no outcome: 1" in report.differences[0]


def test_what_needs_a_person_is_remarked() -> None:
    remarks = judge(WHOLE, {**NO_LAG, "archiving": 4}, still=True).remarks

    assert "records still to be taken: archiving 4" in remarks
    assert "notices in quarantine: 1 (`keshikomi quarantine list`)" in remarks
    assert "deliveries that failed for good and can be sent again: 1" in remarks


def test_the_last_thing_said_is_what_is_not_proved() -> None:
    assert judge(WHOLE, NO_LAG, still=True).remarks[-1].startswith("not proved: ")


class Positions:
    """A log whose ends move as the test says, one step at each look."""

    def __init__(self, ends: Sequence[int], committed: int | None) -> None:
        self._ends = list(ends)
        self._committed = committed

    def end(self, topic: str, partition: int) -> int:
        return self._ends.pop(0) if len(self._ends) > 1 else self._ends[0]

    def earliest(self, topic: str, partition: int) -> int:
        return 3

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        return self._committed if group == "keshikomi-settling" else None


def test_lag_is_what_a_group_has_yet_to_take() -> None:
    lag = lag_by_stage(Positions([10], 4), {"invoices": 2, "history": 1, "directory": 1})

    assert lag == {"resolving": 0, "settling": 12, "notifying": 0, "archiving": 7}


async def test_a_log_that_ends_before_what_was_read_is_a_difference() -> None:
    positions = Positions([10], 12)
    assert cut_off(Positions([10], 10), {"invoices": 1, "history": 1}) == []

    report = await audited(Counting(WHOLE), positions)

    assert ". ".join(report.differences) == (
        "settling has read partition 0 of invoices up to offset 12, and it ends at 10: the log "
        "has lost its end"
    )
    assert report.lag["settling"] == 0


class Counting:
    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self.looks = 0
        self.since: datetime | None = None

    async def counts(self, since: datetime | None = None) -> Counts:
        self.looks += 1
        self.since = since
        return self._counts


async def audited(
    history: Counting, positions: Positions, *, since: datetime | None = None
) -> Report:
    async def look() -> Positions:
        return positions

    return await audit(cast("History", history), look, {"invoices": 1}, since=since)


async def test_a_log_that_moved_is_looked_at_again() -> None:
    history = Counting(ON_THE_WAY)

    report = await audited(history, Positions([8, 9, 10], 10))

    assert history.looks == 2
    assert not report.holds


async def test_a_log_that_never_stands_still_is_judged_with_leniency() -> None:
    history = Counting(ON_THE_WAY)

    report = await audited(history, Positions([10, 10, 11] * 6, 10))

    assert history.looks == 5
    assert report.holds
    assert any("on a quiet system" in remark for remark in report.remarks)


async def test_an_audit_of_the_last_days_says_what_it_did_not_look_at() -> None:
    history = Counting(WHOLE)

    report = await audited(history, Positions([10], 10), since=NOW)

    assert history.since == NOW
    assert (
        report.remarks[0]
        == f"what was last changed before {NOW:%Y-%m-%dT%H:%M:%SZ} is not looked at"
    )
    assert report.holds
    assert "not looked at" not in " ".join((await audited(history, Positions([8], 10))).remarks)
