"""Nothing that a step reads or says is too large for the log, its way into quarantine included."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from agents.loop import KEY_BYTES_MAX, SAID_BYTES_MAX
from agents.settling import settling
from connectors.log.limits import RECORD_BYTES_MAX, bytes_of, must_fit
from streams.codecs import encode
from streams.domain.errors import Malformed, OverLimit
from streams.domain.invoice import (
    JOURNAL_ENTRIES_MAX,
    JOURNAL_ENTRIES_RESERVED,
    Customer,
    Entry,
    Invoice,
    InvoiceTerms,
)
from streams.domain.notice import AMOUNT_YEN_MAX, Notice, NoticeKind, Store
from streams.domain.resolution import ASSIGNED_MAX, WAITING_MAX, Assigned, ReferenceRow
from tests.builders import (
    NOW,
    a_notice,
    a_notice_applied,
    a_reference,
    an_invoice,
    an_invoice_terms,
)
from tests.loop_fakes import Driven, FakeMessage, saying
from tests.step_builders import (
    a_cancelled,
    a_deadline_passed,
    a_notice_matched,
    a_waiting,
    an_assignment,
    an_envelope,
)
from tests.unit.test_steps_loop import OUTPUT, quarantined, raising

LARGE_BYTES = 2_000_000
"""What an invoice and a reference may grow to: a quarter of what the log takes."""
WIDE = "\U00020bb7"
"""A character of names (𠮷) that takes as many bytes as any."""


async def test_a_step_that_says_too_much_is_quarantined_and_says_nothing_else() -> None:
    large = replace(OUTPUT, value=b"v" * SAID_BYTES_MAX)

    driven = await Driven(saying(OUTPUT, large)).run(
        FakeMessage(b"in"), FakeMessage(b"2", offset=8)
    )

    first, _ = quarantined(driven)
    assert len(driven.units.queued) == 2
    assert first.code == "over_limit"
    assert first.reason.startswith(f"{SAID_BYTES_MAX + 1} bytes for history as one record")
    assert driven.stops == []


async def test_the_largest_that_a_step_says_can_be_quarantined_whole() -> None:
    value = b"\xff" * (SAID_BYTES_MAX - KEY_BYTES_MAX)
    message = FakeMessage(value, key=b"\xff" * KEY_BYTES_MAX)

    driven = await Driven(raising(Malformed('"' * 10_000))).run(message)

    (record,) = driven.units.queued[0].records
    (kept,) = quarantined(driven)
    must_fit([record])
    assert bytes_of(record) > SAID_BYTES_MAX, "only quarantine says as much"
    assert base64.b64decode(kept.raw_base64) == value
    assert kept.whole_bytes is None


async def test_of_a_foreign_record_that_is_larger_the_beginning_is_kept_and_its_place_told() -> (
    None
):
    value = b'{"merchant_id": "' + b"m" * 2 * RECORD_BYTES_MAX + b'"}'
    message = FakeMessage(value, key=b"k" * RECORD_BYTES_MAX)

    driven = await Driven(raising(Malformed("line 1"))).run(message)

    (kept,) = quarantined(driven)
    must_fit(driven.units.queued[0].records)
    assert value.startswith(base64.b64decode(kept.raw_base64))
    assert kept.whole_bytes == len(value)
    assert "the whole record stands at references/3/7" in kept.reason
    assert kept.merchant_id is None, "nothing of ours has an id like that"


def the_largest_terms() -> InvoiceTerms:
    """Everything that the API lets a merchant say of an invoice, as long as it may be."""
    references = tuple(
        a_reference(value=WIDE * 120 + f"{number:08}", chain=WIDE * 128) for number in range(20)
    )
    return an_invoice_terms(
        invoice_number=WIDE * 64,
        amount_yen=AMOUNT_YEN_MAX,
        references=references,
        customer=Customer(name=WIDE * 200, kana=WIDE * 200),
        metadata={WIDE * 37 + f"{number:03}": WIDE * 500 for number in range(50)},
    )


def largest_notice(number: int, kind: NoticeKind) -> Notice:
    store = Store(chain=WIDE * 128, code=WIDE * 128)
    notice = a_notice(
        name=f"{kind} {number}", payment=f"p{number}", kind=kind, reference=WIDE * 128, store=store
    )
    return replace(notice, channel_at=NOW)


AS_MANY_AS_IT_TAKES = (
    (NoticeKind.PRELIMINARY, JOURNAL_ENTRIES_MAX),
    (NoticeKind.CONFIRMED, JOURNAL_ENTRIES_RESERVED),
    (NoticeKind.REVERSED, JOURNAL_ENTRIES_MAX),
)
"""Beside them there is room for one cancellation and one deadline."""


@pytest.mark.parametrize("character", [WIDE, '"'])
def test_an_invoice_does_not_grow_beyond_what_the_log_takes(
    character: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.test_steps_large.WIDE", character)
    terms, given = the_largest_terms(), an_assignment(by=WIDE * 200, reason=WIDE * 500)
    key, source = terms.invoice_id.encode(), "invoices/11/123456789012"
    journal: tuple[Entry, ...] = (a_cancelled(source=source), a_deadline_passed(source=source))
    said_bytes, rows = 0, dict[bytes, Invoice]()
    step = settling(invoices=rows, watch=lambda *_: None)

    for kind, count in AS_MANY_AS_IT_TAKES:
        notices = [largest_notice(number, kind) for number in range(count)]
        journal += tuple(
            a_notice_applied(notice=notice, assignment=given, source=source)
            for notice in notices[:-1]
        )
        last = a_notice_matched(notices[-1], terms=terms, assignment=given)
        rows[key] = an_invoice(terms=terms, journal=journal[2:])
        result = step(an_envelope(last, key=key, topic="invoices"))
        said_bytes = max(said_bytes, *map(bytes_of, result.records))
        journal += rows[key].journal[-1:]

    with pytest.raises(OverLimit):
        step(an_envelope(a_notice_matched(a_notice(), terms=terms), key=key, topic="invoices"))
    assert len(encode(an_invoice(terms=terms, journal=journal))) < LARGE_BYTES
    assert said_bytes < LARGE_BYTES


def test_a_reference_does_not_grow_beyond_what_the_log_takes() -> None:
    notice = a_notice(reference=WIDE * 128, store=Store(chain=WIDE * 128, code=WIDE * 128))
    given = Assigned(
        payment_id=notice.payment_id,
        invoice_id=the_largest_terms().invoice_id,
        assignment=an_assignment(by=WIDE * 200, reason=WIDE * 500),
        source="references/11/123456789012",
    )
    waiting = a_waiting(notice=replace(notice, channel_at=NOW), source=given.source)
    row = ReferenceRow(waiting=(waiting,) * WAITING_MAX, assigned=(given,) * ASSIGNED_MAX)

    assert len(encode(row)) < LARGE_BYTES
