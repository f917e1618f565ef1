"""What holds for every run of a step: a replay says the same again, and no notice is lost."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from agents.resolving import resolving
from agents.settling import settling
from agents.step import Envelope, Step
from streams.domain.ids import InvoiceId, NoticeId
from streams.domain.invoice import Invoice, InvoiceTerms
from streams.domain.notice import Notice
from streams.domain.resolution import ReferenceRow
from streams.happenings import NoticeRepeated
from streams.messages import (
    InvoiceDue,
    InvoiceRegistered,
    NoticeAssigned,
    NoticeMatched,
    NoticeReceived,
    ReferenceIssued,
)
from streams.ports import Record
from tests.builders import MERCHANT, NOW
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
from tests.strategies import LATE, deliveries_of, notice_sets, some_terms

KEY = b"key"


def settling_log(data: st.DataObject, terms: InvoiceTerms, notices: list[Notice]) -> list[Envelope]:
    """A log of the invoice: registered, then notices and commands in any order, time passing.

    A tick is sent when the deadline has come, so it is never early.
    """
    heard: list[object] = [
        a_notice_matched(notice, terms=terms) for notice in data.draw(deliveries_of(notices))
    ]
    commands = [a_cancel_requested(terms=terms), an_invoice_due(terms=terms)]
    heard += data.draw(st.lists(st.sampled_from(commands), max_size=3))
    log = [InvoiceRegistered(terms=terms), *data.draw(st.permutations(heard))]
    late_from = data.draw(st.integers(0, len(log)))
    return [
        an_envelope(
            message,
            key=KEY,
            topic="invoices",
            offset=offset,
            now=LATE if offset >= late_from or isinstance(message, InvoiceDue) else NOW,
        )
        for offset, message in enumerate(log)
    ]


def run(step: Step, envelopes: Sequence[Envelope]) -> list[tuple[Record, ...]]:
    return [step(envelope).records for envelope in envelopes]


def later(envelope: Envelope) -> Envelope:
    """The same record read again at another time."""
    return Envelope(key=envelope.key, value=envelope.value, place=envelope.place, now=LATE)


@given(st.data(), some_terms(), notice_sets())
def test_settling_a_prefix_again_changes_nothing_and_tells_the_same_bytes(
    data: st.DataObject, terms: InvoiceTerms, notices: list[Notice]
) -> None:
    invoices: dict[bytes, Invoice] = {}
    step = settling(invoices=invoices, watch=lambda *_: None)
    envelopes = settling_log(data, terms, notices)
    first = run(step, envelopes)
    settled = dict(invoices)

    start = data.draw(st.integers(0, len(envelopes)))
    again = run(step, [later(envelope) for envelope in envelopes[start:]])

    assert invoices == settled
    assert [told(records) for records in again] == [told(records) for records in first[start:]]


@given(some_terms(), notice_sets())
def test_a_repeat_by_the_channel_is_counted_and_nothing_else(
    terms: InvoiceTerms, notices: list[Notice]
) -> None:
    invoices: dict[bytes, Invoice] = {}
    step = settling(invoices=invoices, watch=lambda *_: None)
    heard = [a_notice_matched(notice, terms=terms) for notice in notices]
    log: list[object] = [InvoiceRegistered(terms=terms), *heard]
    run(step, [an_envelope(m, key=KEY, offset=n) for n, m in enumerate(log)])
    settled = dict(invoices)

    repeats = run(step, [an_envelope(m, key=KEY, offset=99 + n) for n, m in enumerate(heard)])

    assert invoices == settled
    assert [messages(records) for records in repeats] == [
        [NoticeRepeated(merchant_id=terms.merchant_id, notice_id=notice.notice_id, at=NOW)]
        for notice in notices
    ]


def resolving_log(data: st.DataObject, notices: list[Notice]) -> list[Envelope]:
    """A log of one reference: notices, assignments and its issue, in any order."""
    log: list[object] = [
        NoticeReceived(merchant_id=MERCHANT, notice=notice, received_at=NOW)
        for notice in data.draw(deliveries_of(notices))
    ]
    log += [
        NoticeAssigned(
            merchant_id=MERCHANT,
            notice_id=notice.notice_id,
            invoice_id=InvoiceId(data.draw(st.sampled_from(["inv_a", "inv_b"]))),
            assignment=an_assignment(),
        )
        for notice in data.draw(st.lists(st.sampled_from(notices), max_size=3))
    ]
    issued = ReferenceIssued(merchant_id=MERCHANT, invoice_id=InvoiceId("inv_own"))
    log += [issued] * data.draw(st.integers(0, 2))
    return [
        an_envelope(message, key=KEY, offset=offset)
        for offset, message in enumerate(data.draw(st.permutations(log)))
    ]


def goals(runs: Sequence[tuple[Record, ...]]) -> dict[NoticeId, set[InvoiceId]]:
    """To which invoices each notice was sent."""
    sent: dict[NoticeId, set[InvoiceId]] = {}
    for records in runs:
        for message in said(records, NoticeMatched):
            sent.setdefault(message.notice.notice_id, set()).add(message.invoice_id)
    return sent


@given(st.data(), notice_sets())
def test_resolving_loses_no_notice_and_sends_none_to_two_invoices(
    data: st.DataObject, notices: list[Notice]
) -> None:
    references: dict[bytes, ReferenceRow] = {}

    sent = goals(run(resolving(references=references), resolving_log(data, notices)))

    row = references.get(KEY, ReferenceRow())
    assert all(len(invoices) == 1 for invoices in sent.values())
    waits = {waiting.notice.notice_id for waiting in row.waiting} - set(sent)
    assert waits | set(sent) == {notice.notice_id for notice in notices}
    assert row.invoice_id is None or not waits
    pairs = {(n.payment_id, goal) for n in notices for goal in sent.get(n.notice_id, ())}
    assert len(pairs) == len({payment for payment, _ in pairs}), "a payment stays together"


@given(st.data(), notice_sets())
def test_resolving_a_prefix_again_changes_nothing_and_sends_the_same_again(
    data: st.DataObject, notices: list[Notice]
) -> None:
    references: dict[bytes, ReferenceRow] = {}
    step = resolving(references=references)
    envelopes = resolving_log(data, notices)
    first = run(step, envelopes)
    resolved = dict(references)

    start = data.draw(st.integers(0, len(envelopes)))
    again = run(step, [later(envelope) for envelope in envelopes[start:]])

    assert references == resolved
    for before, after in zip(first[start:], again, strict=True):
        assert told(after) == told(before)
        assert goals([before]).items() <= goals([after]).items()
