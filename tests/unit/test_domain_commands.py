"""Cancelling an invoice, and the passing of its deadline."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from streams.domain.invoice import (
    Entry,
    InvoiceStatus,
)
from streams.domain.notice import NoticeKind
from streams.domain.notification import NotificationType as Told
from streams.domain.settlement import (
    NOT_DUE,
    Changed,
    Refused,
    awaits_deadline,
    cancel,
    pass_deadline,
)
from tests.builders import an_invoice
from tests.journals import AFTERWARDS, OPEN, TERMS, WITHHELD, after, decided, heard
from tests.step_builders import a_cancelled, a_deadline_passed

# --- cancelling


def test_an_invoice_that_is_not_paid_is_cancelled_and_told() -> None:
    change = cancel(after(heard(400)), a_cancelled(source="invoices/0/900"))

    assert isinstance(change, Changed)
    assert change.state.status is InvoiceStatus.CANCELLED
    assert (change.told, change.settlement) == ((Told.INVOICE_CANCELLED,), None)


@pytest.mark.parametrize("yen", [1_000, 1_200])
def test_a_paid_invoice_is_not_cancelled(yen: int) -> None:
    refused = cancel(after(heard(yen)), a_cancelled(source="invoices/0/900"))

    assert refused == Refused(reason="paid")


def test_a_second_cancellation_is_refused() -> None:
    refused = cancel(after(heard(400), a_cancelled()), a_cancelled(source="invoices/0/900"))

    assert refused == Refused(reason="already_cancelled")


def test_a_replayed_cancellation_is_told_again() -> None:
    invoice = after(heard(400), a_cancelled(), heard(600, payment="late"))

    change = cancel(invoice, a_cancelled(source="invoices/0/1"))

    assert isinstance(change, Changed)
    assert change.told == (Told.INVOICE_CANCELLED,)
    assert change.invoice is invoice


def test_a_refused_cancellation_is_refused_again_when_it_is_replayed() -> None:
    paid, reversed_ = heard(offset=3), heard(kind=NoticeKind.REVERSED, offset=6)
    invoice = replace(OPEN, journal=(paid, reversed_))

    assert cancel(invoice, a_cancelled(source="invoices/0/5")) == Refused(reason="paid")
    assert isinstance(cancel(invoice, a_cancelled(source="invoices/0/7")), Changed)


# --- the deadline


def test_the_deadline_of_an_unpaid_invoice_is_recorded_and_told() -> None:
    passed = a_deadline_passed(at=TERMS.deadline, source="invoices/0/900")

    change = pass_deadline(after(heard(400)), passed)

    assert isinstance(change, Changed)
    assert (change.state.status, change.told) == (InvoiceStatus.EXPIRED, (Told.INVOICE_EXPIRED,))


def test_a_tick_before_the_deadline_does_nothing() -> None:
    early = a_deadline_passed(at=TERMS.deadline - timedelta(seconds=1))

    assert pass_deadline(OPEN, early) == Refused(reason=NOT_DUE)


@pytest.mark.parametrize("before", [[heard()], [heard(1_200)], [a_cancelled()]])
def test_the_deadline_of_a_closed_invoice_means_nothing(before: list[Entry]) -> None:
    passed = a_deadline_passed(at=TERMS.deadline, source="invoices/0/900")

    assert pass_deadline(after(*before), passed) == Refused(reason="closed")


def test_the_deadline_passes_once_and_its_replay_is_told_again() -> None:
    passed = a_deadline_passed(at=TERMS.deadline, source="invoices/0/1")
    invoice = after(heard(400), passed)

    again = pass_deadline(invoice, replace(passed, source="invoices/0/900"))
    replayed = pass_deadline(invoice, replace(passed, at=AFTERWARDS))

    assert again == Refused(reason="already_passed")
    assert isinstance(replayed, Changed)
    assert replayed.told == (Told.INVOICE_EXPIRED,)
    assert replayed.entry == passed


def test_money_that_awaits_confirmation_does_not_expire_until_it_is_withdrawn() -> None:
    waits = after(heard(), invoice=an_invoice(terms=WITHHELD))
    passed = a_deadline_passed(at=WITHHELD.deadline, source="invoices/0/800")

    change = pass_deadline(waits, passed)
    assert isinstance(change, Changed)
    assert (change.state.status, change.told) == (InvoiceStatus.OPEN, ())

    gone = decided(change.invoice, heard(kind=NoticeKind.PRELIMINARY_CANCELLED))
    assert gone.told == (Told.PAYMENT_PRELIMINARY_CANCELLED, Told.INVOICE_EXPIRED)


def test_only_what_can_still_be_paid_awaits_its_deadline() -> None:
    awaiting = {
        change.state.status
        for change in (decided(OPEN, heard(yen)) for yen in (400, 1_000, 1_200))
        if awaits_deadline(change.state)
    }

    assert awaiting == {InvoiceStatus.PART_PAID}
