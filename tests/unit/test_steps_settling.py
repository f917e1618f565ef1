"""The settling step: what it writes, what it tells, and which ticks it asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import orjson
import pytest

from agents.settling import settling
from agents.step import Result
from streams.domain.errors import Malformed, UnknownInvoice
from streams.domain.ids import notification_id
from streams.domain.invoice import Invoice, InvoiceStatus, InvoiceTerms
from streams.domain.notice import Notice, NoticeKind
from streams.domain.notification import NotificationType as Told
from streams.domain.settlement import NOT_DUE, Outcome
from streams.happenings import (
    InvoiceChanged,
    NoticeRepeated,
)
from streams.messages import (
    InvoiceRegistered,
    Notified,
)
from tests.builders import MERCHANT, NOW, a_notice, a_reference, an_invoice_terms
from tests.step_builders import (
    a_cancel_requested,
    a_notice_matched,
    an_assignment,
    an_envelope,
    an_invoice_due,
    messages,
    said,
    told,
)

TERMS = an_invoice_terms(amount_yen=1_000, metadata={"cart": "77"})
KEY = TERMS.invoice_id.encode()
PAYMENT = a_notice(amount_yen=1_000, channel_at=NOW - timedelta(seconds=9))
HOUR = timedelta(hours=1)


class Desk:
    """The step with a dict for its table; records come at one offset after the other."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Invoice] = {}
        self.watched: list[datetime] = []
        self._step = settling(invoices=self.rows, watch=self._watch)
        self.offset = 0

    def _watch(self, _invoice: str, _merchant: str, deadline: datetime) -> None:
        self.watched.append(deadline)

    def read(self, message: object, *, now: datetime = NOW, again: int | None = None) -> Result:
        """Read a message at the next offset, or `again` at one that was read before."""
        offset = self.offset if again is None else again
        self.offset += again is None
        return self._step(an_envelope(message, key=KEY, topic="invoices", offset=offset, now=now))

    def register(self, terms: InvoiceTerms = TERMS) -> Result:
        return self.read(InvoiceRegistered(terms=terms))

    def hear(self, notice: Notice = PAYMENT, *, now: datetime = NOW) -> Result:
        return self.read(a_notice_matched(notice, terms=TERMS), now=now)


def changed(result: Result) -> InvoiceChanged:
    (message,) = said(result.records, InvoiceChanged)
    return message


@pytest.fixture
def desk() -> Desk:
    """A desk that knows the invoice."""
    desk = Desk()
    desk.register()
    return desk


# --- registering


def test_a_registered_invoice_is_kept_shown_and_watched() -> None:
    desk = Desk()

    result = desk.register()

    change = changed(result)
    assert desk.rows == {KEY: Invoice(terms=TERMS)}
    assert (change.version, change.at, change.status) == (0, NOW, InvoiceStatus.OPEN)
    assert orjson.loads(change.shown)["metadata"] == {"cart": "77"}
    assert told(result.records) == []
    assert desk.watched == [TERMS.deadline]


def test_an_invoice_imported_past_due_is_expired_from_the_start_and_not_watched() -> None:
    desk = Desk()

    result = desk.register(an_invoice_terms(due_at=NOW - HOUR))

    assert changed(result).status is InvoiceStatus.EXPIRED
    assert desk.watched == []


def test_the_same_registration_again_says_the_same_and_changes_nothing(desk: Desk) -> None:
    first = Desk().register()
    desk.hear()
    rows = dict(desk.rows)

    again = desk.register()

    assert again.records == first.records
    assert desk.rows == rows


def test_a_registration_with_other_terms_is_refused(desk: Desk) -> None:
    with pytest.raises(Malformed, match="other terms"):
        desk.register(replace(TERMS, references=(a_reference(value="other"),)))

    assert desk.rows == {KEY: Invoice(terms=TERMS)}


@pytest.mark.parametrize(
    "message",
    [
        a_notice_matched(PAYMENT, terms=TERMS),
        a_cancel_requested(terms=TERMS),
        an_invoice_due(terms=TERMS),
    ],
)
def test_what_concerns_an_unknown_invoice_is_refused(message: object) -> None:
    desk = Desk()

    with pytest.raises(UnknownInvoice, match=TERMS.invoice_id):
        desk.read(message)

    assert desk.rows == {}


# --- notices


def test_a_notice_is_told_before_it_is_recorded_and_says_everything(desk: Desk) -> None:
    result = desk.hear(now=NOW + HOUR)

    notified, change = messages(result.records)
    assert isinstance(notified, Notified)
    assert isinstance(change, InvoiceChanged)
    assert [word.type for word in notified.notifications] == [
        Told.PAYMENT_PRELIMINARY,
        Told.INVOICE_PAID,
    ]
    assert change.notifications == notified.notifications
    assert change.settlement is not None
    assert result.outcome == change.settlement.outcome == Outcome.MATCHED
    assert (change.version, change.status, change.notice) == (1, InvoiceStatus.PAID, PAYMENT)
    assert result.facts["notice_id"] == PAYMENT.notice_id
    body = orjson.loads(notified.notifications[1].body)
    assert body["data"]["invoice"]["status"] == "paid"
    assert body["data"]["stages"] == {
        "channel_at": "2026-11-24T01:14:51Z",
        "received_at": "2026-11-24T01:15:00Z",
        "matched_at": "2026-11-24T02:15:00Z",
    }


def test_ids_come_from_the_notice_and_the_type(desk: Desk) -> None:
    words = told(desk.hear().records)

    assert [word.notification_id for word in words] == [
        notification_id(PAYMENT.notice_id, word.type) for word in words
    ]


def test_a_repeat_is_counted_and_nothing_else(desk: Desk) -> None:
    desk.hear()
    rows = dict(desk.rows)

    result = desk.hear(now=NOW + HOUR)

    repeated = NoticeRepeated(merchant_id=MERCHANT, notice_id=PAYMENT.notice_id, at=NOW + HOUR)
    assert (messages(result.records), result.outcome) == ([repeated], "repeated")
    assert desk.rows == rows


def test_a_replay_says_again_what_was_said_although_more_happened_since(desk: Desk) -> None:
    first = desk.hear()
    desk.hear(a_notice(name="r", payment="one", kind=NoticeKind.REVERSED))
    rows = dict(desk.rows)

    again = desk.read(a_notice_matched(PAYMENT, terms=TERMS), again=1)

    assert again.records == first.records
    assert desk.rows == rows


def test_a_persons_assignment_is_shown(desk: Desk) -> None:
    matched = a_notice_matched(PAYMENT, terms=TERMS, assignment=an_assignment(by="sato"))

    result = desk.read(matched)

    settlement = orjson.loads(told(result.records)[0].body)["data"]["settlement"]
    assert (settlement["rule"], settlement["assigned_by"]) == ("assigned", "sato")


def test_an_invoice_that_is_open_again_is_watched_again(desk: Desk) -> None:
    desk.hear()
    assert len(desk.watched) == 1

    desk.hear(a_notice(name="r", payment="one", kind=NoticeKind.REVERSED))

    assert desk.watched == [TERMS.deadline] * 2


# --- cancelling


def test_a_cancellation_is_told_and_answered(desk: Desk) -> None:
    result = desk.read(a_cancel_requested(terms=TERMS, request_id="r1"))

    change = changed(result)
    assert (change.request_id, change.refused, change.notice) == ("r1", None, None)
    assert change.status is InvoiceStatus.CANCELLED
    (word,) = told(result.records)
    assert word.type is Told.INVOICE_CANCELLED
    assert orjson.loads(word.body)["data"]["payment"] is None
    assert result.outcome == "cancelled"


def test_a_refused_cancellation_is_answered_and_changes_nothing(desk: Desk) -> None:
    desk.hear()
    rows = dict(desk.rows)

    result = desk.read(a_cancel_requested(terms=TERMS, request_id="r1"))

    change = changed(result)
    assert (change.request_id, change.refused, change.version) == ("r1", "paid", 1)
    assert (told(result.records), result.outcome, desk.rows) == ([], "paid", rows)


# --- the deadline


def test_the_deadline_is_told_when_it_comes(desk: Desk) -> None:
    behind = TERMS.deadline - timedelta(milliseconds=1)  # the log's clock, or its resolution

    result = desk.read(an_invoice_due(terms=TERMS), now=behind)

    assert [word.type for word in told(result.records)] == [Told.INVOICE_EXPIRED]
    assert (changed(result).status, result.outcome) == (InvoiceStatus.EXPIRED, "deadline")
    assert desk.watched == [TERMS.deadline]


def test_a_tick_that_came_early_is_asked_for_again(desk: Desk) -> None:
    early = TERMS.deadline - timedelta(seconds=1)

    result = desk.read(an_invoice_due(terms=TERMS, at=early))

    assert (result.records, result.outcome) == ((), NOT_DUE)
    assert desk.watched == [TERMS.deadline] * 2


def test_a_tick_for_a_paid_invoice_is_spent(desk: Desk) -> None:
    desk.hear()

    result = desk.read(an_invoice_due(terms=TERMS), now=TERMS.deadline)

    assert (result.records, result.outcome) == ((), "closed")
    assert desk.watched == [TERMS.deadline]
