"""The judges of a run notice what is not true."""

from __future__ import annotations

import base64
import hmac
from dataclasses import replace
from typing import Any

import orjson
import pytest

from loadtests.arrivals import FRESH_NS, Arrival, Checked, Said, Standing, checked, said_of
from loadtests.verify import (
    Event,
    Expected,
    check_audit,
    check_deliveries,
    check_feed,
    check_order,
    check_refusals,
    check_turns,
    check_webhooks,
    event_of,
    facts,
)

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
PAID = facts({"invoice.paid"}, ["R-1"])
(PAYMENT,) = PAID
BOTH = ["matched", "duplicate"]
BODY = (
    '{"type":"invoice.paid","timestamp":"2026-11-30T03:00:00Z","data":'
    '{"payment":{"reference":"R-1","amount_yen":100},"settlement":{"outcome":"matched"},'
    '"invoice":{"invoice_number":"I-1","status":"paid","paid_yen":100,"excess_yen":0},"stages":{}}}'
)
EVENT = event_of({"id": "evt_1", **orjson.loads(f'{{"type":"invoice.paid","payload":{BODY}}}')})
SAID = EVENT.said
SETTLED_OTHERWISE = replace(EVENT, said=SAID._replace(outcome="late"))
EXPECTED = Expected(
    path="/ok/a",
    secret=SECRET,
    told=PAID,
    feed=PAID,
    outcomes={fact: ["matched"] for fact in PAID},
    says={fact: [SAID] for fact in PAID},
    ends={"I-1": Standing("paid", 100, 0)},
)
OPEN_AGAIN = SAID._replace(standing=Standing("open", 0, 0))
NOW_SECONDS = 1_790_000_000


def an_arrival(webhook_id: str = "evt_1", **changes: str) -> Checked:
    """What is kept of a webhook that is signed; with changes to what came."""
    body = changes.get("body", BODY)
    timestamp = changes.get("timestamp", str(NOW_SECONDS))
    signed = f"{webhook_id}.{timestamp}.{body}".encode()
    digest = hmac.digest(b"k" * 32, signed, "sha256")
    arrival = Arrival(
        path="/ok/a",
        at_ns=1,
        webhook_id=webhook_id,
        timestamp=timestamp,
        signature="v1," + base64.b64encode(digest).decode(),
        body=body,
        type="invoice.paid",
        reference="R-1",
        said=said_of(orjson.loads(body).get("data", {})),
    )
    arrival = replace(arrival, **changes)  # type: ignore[arg-type]  # as the test says
    return checked(arrival, SECRET, NOW_SECONDS * 1_000_000_000)


def a_row(event_id: str = "evt_1", **changes: object) -> dict[str, Any]:
    row = {
        "id": f"dlv_{event_id}",
        "endpoint_id": "ep_1",
        "event_id": event_id,
        "status": "delivered",
        "attempts": [{"status_code": 200}],
    }
    return row | changes


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
        ([an_arrival(body=BODY.replace("100", "1"))], "matched, 1 yen for I-1"),
        ([an_arrival(body=BODY.replace("I-1", "I-2"))], "100 yen for I-2"),
        ([an_arrival(body=BODY.replace('"paid"', '"open"'))], "open 100 0"),
        ([an_arrival(body=BODY.replace("matched", "late"))], "late, 100 yen"),
        ([an_arrival(body=BODY.replace('"excess_yen":0', '"excess_yen":1'))], "paid 100 1"),
        ([an_arrival(timestamp="1")], "a timestamp of another time"),
        ([an_arrival(timestamp="soon")], "a timestamp of another time"),
    ],
)
def test_a_wrong_webhook_is_named(arrivals: list[Checked], fault: str) -> None:
    found = list(check_webhooks(EXPECTED, arrivals))

    assert any(fault in each for each in found), found


def test_a_fact_that_is_told_twice_is_judged_as_often() -> None:
    twice = replace(EXPECTED, told={PAYMENT: 2}, feed={PAYMENT: 2}, outcomes={PAYMENT: BOTH})
    doubly = SAID._replace(outcome="duplicate")
    twice = replace(twice, says={PAYMENT: [SAID, doubly]})
    other, again = an_arrival("evt_2"), replace(EVENT, event_id="evt_2", said=doubly)

    def found(*events: Event) -> list[str]:
        return list(check_feed(twice, events, []))

    assert list(check_webhooks(twice, [an_arrival(), other])) == []
    assert "1 times, not 2" in " ".join(check_webhooks(twice, [an_arrival()]))
    assert found(EVENT, again) == found(again, EVENT) == []
    assert "too few of 2" in " ".join(found(EVENT))
    assert "as matched, matched, not as" in " ".join(found(EVENT, replace(again, said=SAID)))


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
        ([SETTLED_OTHERWISE], "evt_1 of ('invoice.paid', 'R-1') says what is not so: late, 100"),
        ([replace(EVENT, said=SAID._replace(amount_yen=1))], "says what is not so: matched, 1 yen"),
        ([replace(EVENT, reference="R-2")], "says of evt_1 what its webhook does not"),
        ([replace(EVENT, said=OPEN_AGAIN)], "I-1 stands in the end as"),
    ],
)
def test_a_wrong_feed_is_named(events: list[Event], fault: str) -> None:
    found = list(check_feed(EXPECTED, events, [an_arrival()]))

    assert any(fault in each for each in found), found


def test_ids_that_were_swapped_between_two_facts_are_named() -> None:
    types = ("invoice.paid", "payment.confirmed")
    both = facts(types, ["R-1"])
    expected = replace(EXPECTED, told=both, feed=both, says={}, outcomes={})
    events = [replace(EVENT, event_id=f"evt_{kind}", type=kind) for kind in types]
    told = [replace(an_arrival(each.event_id), type=each.type) for each in events]
    swapped = [replace(each, type=kind) for each, kind in zip(told, reversed(types), strict=True)]

    assert list(check_feed(expected, events, told)) == []
    assert list(check_webhooks(expected, swapped)) == []
    assert len(list(check_feed(expected, events, swapped))) == 2


def test_a_timestamp_may_be_as_far_off_as_receivers_allow() -> None:
    most = FRESH_NS // 1_000_000_000

    assert an_arrival(timestamp=str(NOW_SECONDS + most)).is_fresh
    assert an_arrival(timestamp=str(NOW_SECONDS - most + 1)).is_fresh
    assert not an_arrival(timestamp=str(NOW_SECONDS + most + 1)).is_fresh


def test_what_tells_of_no_invoice_says_so() -> None:
    assert said_of({"endpoint": {"id": "ep_1"}}) == Said()
    assert said_of({"payment": {"amount_yen": 100}, "invoice": None}) == Said(amount_yen=100)


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


def test_what_was_taken_before_something_older_is_named_whatever_came_first() -> None:
    older, newer = an_arrival("a1"), an_arrival("a2")
    refused = replace(older, status=503)
    never = replace(EXPECTED, complete=False)

    def found(expected: Expected, *arrivals: Checked) -> list[str]:
        return list(check_turns(expected, arrivals, ["a1", "a2"]))

    assert found(EXPECTED, refused, older, newer) == []
    assert found(EXPECTED, refused, newer, older) == [
        "/ok/a: a1 of R-1 came after a2, which is newer"
    ]
    assert found(never, refused, replace(newer, status=503)) == []
    assert len(found(never, replace(newer, status=503), refused)) == 1


def test_refusals_that_do_not_say_when_to_come_again_are_counted() -> None:
    assert list(check_refusals(3)) == ["3 answers 503 had no Retry-After"]
