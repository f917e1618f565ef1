"""The judges of a run notice what is not true."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from loadtests.arrivals import Arrival, Checked, checked
from loadtests.generator import Offered
from loadtests.load import Load
from loadtests.processes import Watch
from loadtests.story import Story
from loadtests.verify import (
    Event,
    Expected,
    check_audit,
    check_deliveries,
    check_feed,
    check_order,
    check_refusals,
    check_webhooks,
    event_of,
    facts,
)

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
PAID = facts({"invoice.paid"}, ["R-1"])
(PAYMENT,) = PAID
BOTH = ["matched", "duplicate"]
EXPECTED = Expected(
    path="/ok/a",
    secret=SECRET,
    told=PAID,
    feed=PAID,
    outcomes={fact: ["matched"] for fact in PAID},
)
BODY = (
    '{"type":"invoice.paid","timestamp":"2026-11-30T03:00:00Z","data":{"payment":{"reference":"R-1"},'
    '"settlement":{"outcome":"matched"},"stages":{}}}'
)
EVENT = event_of({"id": "evt_1", **orjson.loads(f'{{"type":"invoice.paid","payload":{BODY}}}')})
SETTLED_OTHERWISE = replace(EVENT, outcome="late")


def an_arrival(webhook_id: str = "evt_1", **changes: str) -> Checked:
    """What is kept of a webhook; with changes to what came."""
    signed = f"{webhook_id}.1.{BODY}".encode()
    digest = hmac.digest(b"k" * 32, signed, "sha256")
    arrival = Arrival(
        path="/ok/a",
        at_ns=1,
        webhook_id=webhook_id,
        timestamp="1",
        signature="v1," + base64.b64encode(digest).decode(),
        body=BODY,
        type="invoice.paid",
        reference="R-1",
    )
    return checked(replace(arrival, **changes), SECRET)  # type: ignore[arg-type]  # as the test says


def a_row(event_id: str = "evt_1", **changes: object) -> dict[str, Any]:
    row = {
        "id": f"dlv_{event_id}",
        "endpoint_id": "ep_1",
        "event_id": event_id,
        "status": "delivered",
        "attempts": [{"status_code": 200}],
    }
    return row | changes


def a_story(
    *, accepted_at: Sequence[float], fault_at: float, over_at: float = 0, refused: int = 0
) -> Story:
    """A load of one notice a second from 0 on; the last `refused` are refused at 4."""
    count = len(accepted_at) + refused
    answered = [*accepted_at, *[4.0] * refused]
    offered = Offered(
        rate=1,
        intended_ns=[place * 1_000_000_000 for place in range(count)],
        sent_ns=[0] * count,
        answered_ns=[int(at * 1e9) for at in answered],
        statuses=[202] * len(accepted_at) + [503] * refused,
        bodies=[b""] * count,
    )
    load = Load(
        offered=offered,
        references=[],
        merchants=[],
        arrivals={},
        wall_offset_ns=0,
        drained_seconds=0,
        watch=Watch({}),
        around=frozenset(),
    )
    return Story(
        name="any", load=load, wrong=[], fault_ns=int(fault_at * 1e9), over_ns=int(over_at * 1e9)
    )


def test_a_pause_counts_from_the_fault_and_on_either_side() -> None:
    story = a_story(accepted_at=[0, 1, 2, 6, 7, 20], fault_at=3)

    assert story.longest_pause_within(4.5) == 4.5, "no webhook came at all"
    for at in (4, 5, 6):
        story.load.arrivals[str(at)] = replace(an_arrival(), at_ns=at * 10**9)
    assert story.longest_pause_within(3) == 3, "nothing was accepted between 3 and 6"
    assert story.longest_pause_within(14) == 11, "no webhook came between 6 and 17"


def test_a_fault_is_within_the_load_while_notices_are_still_to_be_sent() -> None:
    assert a_story(accepted_at=[0, 1, 2, 3], fault_at=1, over_at=2.9).is_within_load
    assert not a_story(accepted_at=[0, 1, 2, 3], fault_at=1, over_at=3).is_within_load


def test_what_was_told_rightly_is_no_fault() -> None:
    assert list(check_webhooks(EXPECTED, [an_arrival()])) == []
    assert list(check_feed(EXPECTED, [EVENT], [an_arrival()])) == []
    assert list(check_deliveries("/ok/a", "ep_1", {"evt_1"}, [a_row()])) == []
    assert list(check_refusals(0)) == []
    assert list(check_audit({"exit_status": 0, "counts": {"accepted": 1}}, 1)) == []


@pytest.mark.parametrize(
    ("arrivals", "fault"),
    [
        ([], "never told"),
        ([an_arrival(), an_arrival()], "came again"),
        ([an_arrival(), an_arrival("evt_2")], "under 2 ids"),
        ([an_arrival(signature="v1,AAAA")], "no valid signature"),
        ([an_arrival(), replace(an_arrival(), reference="R-2")], "not to be told here"),
        ([an_arrival(), an_arrival(body="{}")], "different bodies"),
    ],
)
def test_a_wrong_webhook_is_named(arrivals: list[Checked], fault: str) -> None:
    found = list(check_webhooks(EXPECTED, arrivals))

    assert any(fault in each for each in found), found


def test_a_fact_that_is_told_twice_is_judged_as_often() -> None:
    twice = replace(EXPECTED, told={PAYMENT: 2}, feed={PAYMENT: 2}, outcomes={PAYMENT: BOTH})
    other, again = an_arrival("evt_2"), replace(EVENT, event_id="evt_2", outcome="duplicate")

    def found(*events: Event) -> list[str]:
        return list(check_feed(twice, events, []))

    assert list(check_webhooks(twice, [an_arrival(), other])) == []
    assert "1 times, not 2" in " ".join(check_webhooks(twice, [an_arrival()]))
    assert found(EVENT, again) == found(again, EVENT) == []
    assert "too few of 2" in " ".join(found(EVENT))
    assert "as matched, matched, not as" in " ".join(
        found(EVENT, replace(again, outcome="matched"))
    )


def test_a_repeat_is_no_fault_where_something_was_killed() -> None:
    arrivals = [an_arrival(), an_arrival()]

    assert list(check_webhooks(EXPECTED, arrivals, repeats_allowed=True)) == []


def test_what_failed_at_first_and_came_again_is_told_once() -> None:
    failed = replace(an_arrival(), status=503)

    assert list(check_webhooks(EXPECTED, [failed, an_arrival()])) == []
    assert list(check_webhooks(EXPECTED, [failed])) == [
        "/ok/a: never told of ('invoice.paid', 'R-1')"
    ]


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([], "does not have"),
        ([EVENT, EVENT], "2 times"),
        ([EVENT, replace(EVENT, event_id="evt_2")], "under 2 ids"),
        ([replace(EVENT, event_id="evt_2")], "evt_1 is not in the feed"),
        ([EVENT, replace(EVENT, event_id="evt_3", type="invoice.overpaid")], "nobody caused"),
        ([SETTLED_OTHERWISE], "was settled as late, not as matched"),
    ],
)
def test_a_wrong_feed_is_named(events: list[Event], fault: str) -> None:
    found = list(check_feed(EXPECTED, events, [an_arrival()]))

    assert any(fault in each for each in found), found


def test_an_audit_that_counts_otherwise_is_named() -> None:
    audit = {"exit_status": 1, "counts": {"accepted": 3}}

    assert len(list(check_audit(audit, 1))) == 2
    assert len(list(check_audit(audit, 1, uncertain=2))) == 1


def test_a_notice_whose_answer_never_came_may_be_told_or_not() -> None:
    expected = replace(EXPECTED, told={}, feed={}, may_be_told=PAID, may_be_in_feed=PAID)

    assert list(check_webhooks(expected, [])) == []
    assert list(check_webhooks(expected, [an_arrival()])) == []


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([], "no delivery of evt_1"),
        ([a_row(), a_row(id="dlv_2")], "2 deliveries of evt_1"),
        ([a_row(), a_row("evt_2")], "a delivery of evt_2 is listed, which was not"),
        ([a_row(endpoint_id="ep_2")], "of another endpoint"),
        ([a_row(status="pending", attempts=[])], "dlv_evt_1 is pending, attempts: 0"),
        ([a_row(status="failed")], "dlv_evt_1 is failed, attempts: 1"),
        ([a_row(attempts=[])], "dlv_evt_1 is delivered, attempts: 0"),
        ([a_row(attempts=[{"status_code": 503}, {"status_code": None}])], "attempts: 2"),
    ],
)
def test_a_wrong_list_of_deliveries_is_named(rows: list[dict[str, Any]], fault: str) -> None:
    found = list(check_deliveries("/ok/a", "ep_1", {"evt_1"}, rows))

    assert any(fault in each for each in found), found


def test_deliveries_to_a_server_that_hangs_are_listed_and_still_to_be_made() -> None:
    def found(rows: list[dict[str, Any]]) -> list[str]:
        return list(check_deliveries("/hang/a", "ep_1", {"evt_1"}, rows, complete=False))

    assert found([a_row(status="pending", attempts=[])]) == []
    assert found([]) == ["/hang/a: no delivery of evt_1 is listed"]


def test_first_arrivals_in_the_order_of_the_feed_are_no_fault() -> None:
    promised = ["a1", "b1", "a2", "a3", "b2"]
    arrived = [("b", "b1"), ("a", "a1"), ("b", "b2"), ("a", "a2"), ("a", "a1"), ("a", "a3")]

    assert list(check_order("/ok/a", arrived, promised)) == []


def test_what_comes_before_something_older_of_its_invoice_is_named() -> None:
    promised = ["a1", "a2", "a3", "b1"]
    arrived = [("b", "b1"), ("a", "a2"), ("a", "a1"), ("a", "a2"), ("a", "a3")]

    assert list(check_order("/ok/a", arrived, promised)) == [
        "/ok/a: a1 of a came after a2, which is newer"
    ]


def test_refusals_that_do_not_say_when_to_come_again_are_counted() -> None:
    assert list(check_refusals(3)) == ["3 answers 503 had no Retry-After"]


# --- what a story says of intake


def test_the_longest_pause_of_intake_counts_what_was_accepted() -> None:
    story = a_story(accepted_at=[0, 1, 2, 5.5, 6], fault_at=2, refused=2)

    assert story.longest_intake_pause_seconds == 3.5


def test_the_rate_of_acceptances_ends_with_the_schedule() -> None:
    story = a_story(accepted_at=[0, 1, 2, 3, 9, 5, 6, 60], fault_at=2)

    assert story.accepted_per_second(1) == pytest.approx(3 / 4)  # at 3, 5 and 6 of seconds 3 to 7
    with pytest.raises(AssertionError, match="over before"):
        story.accepted_per_second(6)
