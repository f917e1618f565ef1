"""What one notice, cancellation or deadline does to one invoice, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from streams.domain.errors import OverLimit
from streams.domain.invoice import (
    JOURNAL_ENTRIES_MAX,
    JOURNAL_ENTRIES_RESERVED,
    Entry,
    Invoice,
    InvoiceStatus,
    NoticeApplied,
    state_of,
)
from streams.domain.notice import NoticeKind
from streams.domain.notification import NotificationType as Told
from streams.domain.settlement import (
    Changed,
    Outcome,
    Repeated,
    cancel,
    pass_deadline,
    settle,
)
from tests.journals import AFTERWARDS, OPEN, TERMS, after, decided, heard
from tests.step_builders import a_cancelled, a_deadline_passed, an_assignment

# --- outcomes


@pytest.mark.parametrize(
    ("before", "applied", "outcome", "told"),
    [
        ([], heard(), Outcome.MATCHED, [Told.PAYMENT_PRELIMINARY, Told.INVOICE_PAID]),
        ([], heard(999), Outcome.PARTIAL, [Told.PAYMENT_PRELIMINARY, Told.INVOICE_PART_PAID]),
        (
            [],
            heard(1_001),
            Outcome.OVERPAID,
            [Told.PAYMENT_PRELIMINARY, Told.INVOICE_PAID, Told.INVOICE_OVERPAID],
        ),
        (
            [heard(400, payment="a")],
            heard(600),
            Outcome.MATCHED,
            [Told.PAYMENT_PRELIMINARY, Told.INVOICE_PAID],
        ),
        (
            [heard(payment="a")],
            heard(),
            Outcome.DUPLICATE,
            [Told.PAYMENT_PRELIMINARY, Told.INVOICE_OVERPAID],
        ),
        (
            [],
            heard(paid_at=AFTERWARDS),
            Outcome.LATE,
            [Told.PAYMENT_PRELIMINARY, Told.INVOICE_PAID],
        ),
        (
            [heard(payment="a")],
            heard(paid_at=AFTERWARDS),
            Outcome.LATE,
            [Told.PAYMENT_PRELIMINARY, Told.INVOICE_OVERPAID],
        ),
        ([a_cancelled()], heard(), Outcome.AFTER_CANCEL, [Told.PAYMENT_PRELIMINARY]),
        (
            [heard()],
            heard(kind=NoticeKind.PRELIMINARY_CANCELLED),
            Outcome.MATCHED,
            [Told.PAYMENT_PRELIMINARY_CANCELLED, Told.INVOICE_REOPENED],
        ),
        (
            [],
            heard(kind=NoticeKind.PRELIMINARY_CANCELLED),
            Outcome.MATCHED,
            [Told.PAYMENT_PRELIMINARY_CANCELLED],
        ),
        (
            [heard(kind=NoticeKind.PRELIMINARY_CANCELLED)],
            heard(),
            Outcome.MATCHED,
            [Told.PAYMENT_PRELIMINARY],
        ),
        ([heard()], heard(kind=NoticeKind.CONFIRMED), Outcome.MATCHED, [Told.PAYMENT_CONFIRMED]),
        (
            [],
            heard(kind=NoticeKind.CONFIRMED),
            Outcome.MATCHED,
            [Told.PAYMENT_CONFIRMED, Told.INVOICE_PAID],
        ),
        (
            [heard(), heard(kind=NoticeKind.PRELIMINARY_CANCELLED)],
            heard(kind=NoticeKind.CONFIRMED),
            Outcome.MATCHED,
            [Told.PAYMENT_CONFIRMED, Told.INVOICE_PAID],
        ),
        (
            [heard(kind=NoticeKind.CONFIRMED)],
            heard(kind=NoticeKind.REVERSED),
            Outcome.MATCHED,
            [Told.PAYMENT_REVERSED, Told.INVOICE_REOPENED],
        ),
        (
            [heard(1_200)],
            heard(1_000, kind=NoticeKind.CORRECTED),
            Outcome.MATCHED,
            [Told.PAYMENT_CORRECTED],
        ),
        (
            [heard()],
            heard(700, kind=NoticeKind.CORRECTED),
            Outcome.PARTIAL,
            [Told.PAYMENT_CORRECTED, Told.INVOICE_REOPENED],
        ),
    ],
)
def test_a_notice_has_one_outcome_and_is_told(
    before: list[Entry], applied: NoticeApplied, outcome: Outcome, told: list[Told]
) -> None:
    change = decided(after(*before), applied)

    assert change.settlement is not None
    assert change.settlement.outcome is outcome
    assert list(change.told) == told


def test_two_preliminaries_of_one_reference_are_two_payments_unless_one_is_cancelled() -> None:
    twice = decided(after(heard(payment="a")), heard(payment="b"))
    assert twice.state.excess_yen == 1_000

    cancelled = heard(payment="a", kind=NoticeKind.PRELIMINARY_CANCELLED)
    once = decided(twice.invoice, cancelled)
    assert (once.state.status, once.state.excess_yen) == (InvoiceStatus.PAID, 0)


def test_a_payment_that_was_heard_of_first_is_never_the_duplicate() -> None:
    invoice = after(heard(payment="a"), heard(payment="b"))

    confirmed = decided(invoice, heard(payment="a", kind=NoticeKind.CONFIRMED))

    assert confirmed.settlement is not None
    assert confirmed.settlement.outcome is Outcome.MATCHED


def test_a_settlement_says_all_that_an_auditor_asks() -> None:
    change = decided(after(heard(400, payment="a")), heard(500, at=AFTERWARDS))

    settlement = change.settlement
    assert settlement is not None
    assert change.payment is not None
    assert settlement.notice_id == heard().notice.notice_id
    assert settlement.payment_id == change.payment.payment_id == heard().notice.payment_id
    assert settlement.invoice_id == TERMS.invoice_id
    assert settlement.reason == "100 yen less than what is open"
    assert (settlement.balance_before_yen, settlement.balance_after_yen) == (600, 100)
    assert settlement.decided_at == AFTERWARDS
    assert (settlement.rule, settlement.assignment) == ("reference", None)
    assert change.version == 2


def test_a_persons_assignment_is_the_rule_of_the_settlement() -> None:
    applied = replace(heard(), assignment=an_assignment(by="sato"))

    settlement = decided(OPEN, applied).settlement

    assert settlement is not None
    assert (settlement.rule, settlement.assignment) == ("assigned", an_assignment(by="sato"))


# --- repeats and replays


def test_a_repeat_by_the_channel_changes_nothing() -> None:
    invoice = after(a_cancelled(), heard())

    repeated = settle(invoice, heard(offset=7))

    assert repeated == Repeated(notice_id=heard().notice.notice_id)


def test_a_replay_decides_as_it_was_decided_then() -> None:
    first = decided(OPEN, heard())
    later = decided(first.invoice, heard(kind=NoticeKind.PRELIMINARY_CANCELLED))

    replayed = settle(later.invoice, replace(heard(at=AFTERWARDS), source="invoices/0/900"))

    assert isinstance(replayed, Changed)
    assert replayed.invoice is later.invoice
    assert replace(replayed, invoice=first.invoice) == first


def test_a_full_journal_takes_no_more_but_still_answers_a_repeat() -> None:
    entries = [heard(1, payment=f"p{number}") for number in range(JOURNAL_ENTRIES_MAX)]
    full = after(*entries)

    with pytest.raises(OverLimit, match=str(JOURNAL_ENTRIES_MAX)):
        settle(full, heard(payment="one more", offset=900))
    assert isinstance(settle(full, replace(entries[7], source="invoices/0/901")), Repeated)


def full_of(kind: NoticeKind = NoticeKind.CONFIRMED) -> Invoice:
    """An invoice with as many payments as it takes, and as much again as is told of them."""
    numbers = range(JOURNAL_ENTRIES_RESERVED)
    return after(
        *(heard(1, payment=f"p{number}") for number in range(JOURNAL_ENTRIES_MAX)),
        *(heard(1, kind=kind, payment=f"p{number}") for number in numbers),
    )


def test_a_full_journal_still_hears_of_the_payments_it_has_within_a_reserve() -> None:
    full = full_of()
    almost = replace(full, journal=full.journal[:-1])
    last = heard(1, kind=NoticeKind.CONFIRMED, payment="p99", offset=900)

    assert isinstance(settle(almost, last), Changed)
    with pytest.raises(OverLimit):
        settle(full, last)


@pytest.mark.parametrize("kind", [NoticeKind.REVERSED, NoticeKind.PRELIMINARY_CANCELLED])
def test_money_is_taken_back_however_full_the_journal_is(kind: NoticeKind) -> None:
    full = full_of(kind)

    for number in range(JOURNAL_ENTRIES_RESERVED, JOURNAL_ENTRIES_MAX):
        told = settle(full, heard(1, kind=kind, payment=f"p{number}", offset=900 + number))
        assert isinstance(told, Changed)
        full = told.invoice

    assert state_of(full.terms, full.journal).balance_yen == full.terms.amount_yen


@pytest.mark.parametrize(
    ("kind", "payment"),
    [
        (NoticeKind.PRELIMINARY_CANCELLED, "p0"),  # it is confirmed, and stays so
        (NoticeKind.CORRECTED, "p99"),
        (NoticeKind.REVERSED, "unknown"),
    ],
)
def test_what_takes_nothing_back_finds_no_more_room(kind: NoticeKind, payment: str) -> None:
    with pytest.raises(OverLimit):
        settle(full_of(), heard(1, kind=kind, payment=payment, offset=900))


def test_a_full_journal_is_cancelled_and_passes_its_deadline() -> None:
    full = full_of()

    cancelled = cancel(full, a_cancelled(source="invoices/0/900"))
    passed = pass_deadline(full, a_deadline_passed(at=full.terms.deadline, source="invoices/0/900"))

    assert isinstance(cancelled, Changed)
    assert isinstance(passed, Changed)


def test_money_for_an_invoice_imported_past_its_due_time_is_late_whenever_it_was_paid() -> None:
    terms = replace(TERMS, due_at=TERMS.created_at - timedelta(days=1))
    before_due = heard(paid_at=TERMS.created_at - timedelta(days=2))

    told = settle(Invoice(terms=terms), before_due)

    assert isinstance(told, Changed)
    assert told.settlement is not None
    assert told.settlement.outcome is Outcome.LATE
