"""What the outside sees of invoices, payments and settlements."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest

from streams.domain.invoice import Customer, InvoiceState, state_of
from streams.domain.notice import ChannelKind, NoticeKind, Store
from streams.domain.notification import NotificationType
from streams.domain.payment import payment_of
from streams.payloads import (
    full_invoice_object,
    invoice_object,
    payment_object,
    rfc3339,
    webhook_body,
    webhook_data,
)
from tests.builders import (
    ACCOUNT,
    NOW,
    a_notice,
    a_notice_applied,
    a_payment_id,
    a_reference,
    a_settlement,
    an_invoice,
    an_invoice_terms,
)
from tests.step_builders import a_cancelled, a_deadline_passed, an_assignment

JAPAN = timezone(timedelta(hours=9))
PAID = NotificationType.INVOICE_PAID


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOW, "2026-11-24T01:15:00Z"),
        (NOW.astimezone(JAPAN), "2026-11-24T01:15:00Z"),
        (NOW + timedelta(milliseconds=7), "2026-11-24T01:15:00.007Z"),
        (NOW + timedelta(microseconds=999), "2026-11-24T01:15:00Z"),
        (NOW + timedelta(microseconds=999_999), "2026-11-24T01:15:00.999Z"),
        (datetime(999, 1, 2, tzinfo=UTC), "0999-01-02T00:00:00Z"),
    ],
)
def test_a_time_is_shown_in_utc_with_its_milliseconds(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text


def test_a_payment_shows_where_and_how_it_was_made() -> None:
    store = Store(chain="7-11", code="0001")

    shown = payment_object(payment_of((a_notice(store=store),)))

    assert shown == {
        "id": a_payment_id(),
        "channel": "konbini_slip",
        "state": "preliminary",
        "amount_yen": 12_800,
        "paid_at": "2026-11-24T01:15:00Z",
        "reference": "ORD-1001",
        "account_id": ACCOUNT,
        "store": {"chain": "7-11", "code": "0001"},
    }
    assert payment_object(payment_of((a_notice(),)))["store"] is None


TERMS = an_invoice_terms(
    customer=Customer(name="山田 太郎", kana="ﾔﾏﾀﾞ ﾀﾛｳ"),
    metadata={"cart": "77"},
    references=(
        a_reference(value="plain"),
        a_reference(value="91", channel=ChannelKind.KONBINI_SLIP, chain="7-11"),
    ),
)


def test_an_invoice_shows_its_terms_and_its_state() -> None:
    invoice = an_invoice(terms=TERMS)

    shown = invoice_object(invoice, state_of(TERMS, ()), updated_at=NOW)

    assert shown == {
        "id": TERMS.invoice_id,
        "invoice_number": "ORD-1001",
        "status": "open",
        "amount_yen": 12_800,
        "paid_yen": 0,
        "preliminary_yen": 0,
        "excess_yen": 0,
        "balance_yen": 12_800,
        "due_at": "2026-12-01T01:15:00Z",
        "customer": {"name": "山田 太郎", "kana": "ﾔﾏﾀﾞ ﾀﾛｳ"},
        "metadata": {"cart": "77"},
        "payments": [],
        "references": [
            {"account_id": ACCOUNT, "value": "plain"},
            {
                "account_id": ACCOUNT,
                "value": "91",
                "channel": "konbini_slip",
                "chain": "7-11",
            },
        ],
        "created_at": "2026-11-24T01:15:00Z",
        "updated_at": "2026-11-24T01:15:00Z",
    }


def test_an_invoice_without_a_customer_says_so() -> None:
    assert full_invoice_object(an_invoice())["customer"] is None


JOURNAL = (
    a_notice_applied(notice=a_notice(amount_yen=800), at=NOW),
    a_notice_applied(notice=a_notice(name="two", amount_yen=12_000), at=NOW),
    a_notice_applied(notice=a_notice(name="three", payment="two", kind=NoticeKind.CONFIRMED)),
    a_notice_applied(notice=a_notice(name="four", payment="two", kind=NoticeKind.REVERSED)),
    a_deadline_passed(at=NOW + timedelta(days=9)),
    a_cancelled(at=NOW + timedelta(days=10)),
)


@pytest.mark.parametrize("known", [None, state_of(an_invoice_terms(), JOURNAL)])
def test_the_history_shows_each_change_of_status_with_its_cause(
    known: InvoiceState | None,
) -> None:
    shown = full_invoice_object(an_invoice(journal=JOURNAL), known)

    notices = [entry.notice.notice_id for entry in JOURNAL if entry.type == "notice"]
    history = shown["history"]
    assert isinstance(history, list)
    assert [(step["status"], step["cause"]) for step in history] == [
        ("open", "registered"),
        ("part_paid", notices[0]),
        ("paid", notices[1]),
        ("overpaid", notices[2]),
        ("part_paid", notices[3]),
        ("expired", "deadline"),
        ("cancelled", "cancelled"),
    ]
    assert shown["status"] == "cancelled"
    assert shown["updated_at"] == history[-1]["at"] == "2026-12-04T01:15:00Z"


def test_a_new_invoice_was_updated_when_it_was_made() -> None:
    shown = full_invoice_object(an_invoice())

    assert shown["updated_at"] == shown["created_at"]
    assert shown["history"] == [
        {"status": "open", "at": "2026-11-24T01:15:00Z", "cause": "registered"}
    ]


def body(**parts: object) -> dict[str, Any]:
    nothing = dict.fromkeys(["invoice", "payment", "settlement", "notice", "received_at"])
    data = webhook_data(at=NOW, **{**nothing, **parts})  # type: ignore[arg-type]  # parts are given by name
    decoded: dict[str, Any] = orjson.loads(webhook_body(PAID, at=NOW, data=data))
    return decoded


def test_a_body_has_every_part_also_when_it_is_empty() -> None:
    assert body() == {
        "type": "invoice.paid",
        "timestamp": "2026-11-24T01:15:00Z",
        "data": {
            "invoice": None,
            "payment": None,
            "settlement": None,
            "stages": {
                "channel_at": None,
                "received_at": None,
                "matched_at": "2026-11-24T01:15:00Z",
            },
        },
    }


def test_a_body_shows_when_the_channel_spoke_and_when_we_heard_it() -> None:
    notice = a_notice(channel_at=NOW - timedelta(seconds=2))

    shown = body(notice=notice, received_at=NOW - timedelta(seconds=1))

    assert shown["data"]["stages"] == {
        "channel_at": "2026-11-24T01:14:58Z",
        "received_at": "2026-11-24T01:14:59Z",
        "matched_at": "2026-11-24T01:15:00Z",
    }
    silent = body(notice=a_notice())["data"]["stages"]
    assert silent["channel_at"] is None


def test_a_settlement_shows_who_assigned_it_only_where_someone_did() -> None:
    settlement = a_settlement()
    plain = {
        "outcome": "matched",
        "reason": "reference and amount agree",
        "rule": "reference",
        "notice_id": settlement.notice_id,
        "balance_before_yen": None,
        "balance_after_yen": None,
    }
    assert body(settlement=settlement)["data"]["settlement"] == plain

    by_hand = replace(settlement, assignment=an_assignment(by="sato", reason="asked"))
    shown = body(settlement=by_hand)["data"]["settlement"]
    assert shown == {**plain, "assigned_by": "sato", "assigned_reason": "asked"}
