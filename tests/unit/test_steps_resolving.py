"""The resolving step: what it passes on, what waits, and what it says of it."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from agents.resolving import resolving
from agents.step import Result
from streams.domain.errors import Malformed, OverLimit
from streams.domain.ids import InvoiceId
from streams.domain.notification import NotificationType
from streams.domain.resolution import WAITING_MAX, ReferenceRow
from streams.domain.settlement import Outcome
from streams.happenings import (
    NoticeHeld,
    NoticeRepeated,
)
from streams.messages import (
    NoticeAssigned,
    NoticeMatched,
    NoticeReceived,
    Notified,
    ReferenceIssued,
)
from tests.builders import MERCHANT, NOW, a_notice, a_notice_id
from tests.step_builders import a_waiting, an_assignment, an_envelope, messages, said, told

KEY = b"ca_test:ORD-1001"
INVOICE, OTHER = InvoiceId("inv_one"), InvoiceId("inv_other")
BEFORE = NOW - timedelta(seconds=3)
ISSUED = ReferenceIssued(merchant_id=MERCHANT, invoice_id=INVOICE)
HEARD = NoticeReceived(merchant_id=MERCHANT, notice=a_notice(), received_at=BEFORE)


class Desk:
    """The step with a dict for its table; records come at one offset after the other."""

    def __init__(self) -> None:
        self.rows: dict[bytes, ReferenceRow] = {}
        self._step = resolving(references=self.rows)
        self.offset = 0

    def read(self, message: object, *, again: int | None = None) -> Result:
        """Read a message at the next offset, or `again` at one that was read before."""
        offset = self.offset if again is None else again
        self.offset += again is None
        return self._step(an_envelope(message, key=KEY, offset=offset, now=NOW))


def matched(invoice: InvoiceId = INVOICE) -> NoticeMatched:
    return NoticeMatched(
        merchant_id=MERCHANT, invoice_id=invoice, notice=a_notice(), received_at=BEFORE
    )


def test_a_notice_goes_to_the_invoice_of_its_reference() -> None:
    desk = Desk()
    desk.read(ISSUED)

    result = desk.read(HEARD)

    assert messages(result.records) == [matched()]
    assert [record.key for record in result.records] == [INVOICE.encode()]
    assert result.outcome == "resolved"
    assert result.facts["invoice_id"] == INVOICE


def test_a_notice_of_an_unknown_reference_is_kept_and_told() -> None:
    result = Desk().read(HEARD)

    notified, kept = messages(result.records)
    assert isinstance(notified, Notified)
    assert isinstance(kept, NoticeHeld)
    assert result.outcome == kept.settlement.outcome == Outcome.UNMATCHED
    assert (kept.notice, kept.received_at) == (a_notice(), BEFORE)
    (word,) = notified.notifications
    assert kept.notifications == (word,)
    assert (word.type, word.invoice_id) == (NotificationType.PAYMENT_UNMATCHED, None)
    data = orjson.loads(word.body)["data"]
    assert data["invoice"] is None
    assert data["payment"]["id"] == a_notice().payment_id
    assert data["settlement"]["outcome"] == "unmatched"


def test_a_repeat_of_what_waits_is_only_counted() -> None:
    desk = Desk()
    desk.read(HEARD)
    rows = dict(desk.rows)

    result = desk.read(HEARD)

    repeated = NoticeRepeated(merchant_id=MERCHANT, notice_id=a_notice_id(), at=NOW)
    assert messages(result.records) == [repeated]
    assert (result.outcome, desk.rows) == ("repeated", rows)


def test_what_waited_goes_to_the_invoice_when_its_reference_is_issued() -> None:
    desk = Desk()
    desk.read(HEARD)

    result = desk.read(ISSUED)

    assert messages(result.records) == [matched()]
    assert (result.outcome, result.facts["freed"]) == ("issued", 1)


def assigned(to: InvoiceId = OTHER) -> NoticeAssigned:
    return NoticeAssigned(
        merchant_id=MERCHANT,
        notice_id=a_notice_id(),
        invoice_id=to,
        assignment=an_assignment(),
    )


def test_a_person_sends_a_waiting_notice_to_an_invoice() -> None:
    desk = Desk()
    desk.read(HEARD)

    result = desk.read(assigned())

    (sent,) = said(result.records, NoticeMatched)
    assert (sent.invoice_id, sent.assignment) == (OTHER, an_assignment())
    assert (result.outcome, result.facts["freed"]) == ("assigned", 1)


def test_a_replay_of_everything_says_everything_again() -> None:
    desk = Desk()
    log = [HEARD, assigned(), ISSUED, HEARD]
    first = [desk.read(message).records for message in log]
    rows = dict(desk.rows)

    again = [desk.read(message, again=offset).records for offset, message in enumerate(log)]

    assert again == first
    assert desk.rows == rows
    assert told(first[0])


def test_a_step_that_refuses_has_changed_nothing() -> None:
    desk = Desk()
    desk.rows[KEY] = full = ReferenceRow(
        waiting=tuple(
            a_waiting(notice=a_notice(name=f"n{number}"), source=f"references/0/{number}")
            for number in range(WAITING_MAX)
        )
    )

    with pytest.raises(OverLimit):
        desk.read(HEARD, again=900)

    assert desk.rows == {KEY: full}


def test_a_second_owner_of_a_reference_is_refused() -> None:
    desk = Desk()
    desk.read(ISSUED)
    rows = dict(desk.rows)

    with pytest.raises(Malformed):
        desk.read(ReferenceIssued(merchant_id=MERCHANT, invoice_id=OTHER))

    assert desk.rows == rows


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"type": "unheard of"}', b"\xff"])
def test_what_cannot_be_read_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Desk().read(raw)
