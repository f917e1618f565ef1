"""The state of an invoice: what follows from its terms and from what happened to it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from streams.domain.invoice import (
    Entry,
    Fold,
    InvoiceState,
    InvoiceStatus,
    InvoiceTerms,
    NoticeApplied,
    ReleaseOn,
    ReleasePolicy,
    state_of,
)
from streams.domain.notice import NoticeKind
from tests.builders import NOW, a_notice, a_notice_applied, a_payment_id, an_invoice_terms
from tests.step_builders import a_cancelled, a_deadline_passed

TERMS = an_invoice_terms(amount_yen=1_000)
WITHHELD = an_invoice_terms(amount_yen=1_000, release=ReleasePolicy(release_on=ReleaseOn.CONFIRMED))


def paid(
    amount_yen: int,
    *,
    payment: str = "p",
    kind: NoticeKind = NoticeKind.PRELIMINARY,
    at: datetime = NOW,
) -> NoticeApplied:
    notice = a_notice(name=f"{payment}-{kind}", payment=payment, kind=kind, amount_yen=amount_yen)
    return a_notice_applied(notice=notice, at=at)


def confirmed(amount_yen: int, *, payment: str = "p") -> NoticeApplied:
    return paid(amount_yen, payment=payment, kind=NoticeKind.CONFIRMED)


def withdrawn(payment: str = "p") -> NoticeApplied:
    return paid(1_000, payment=payment, kind=NoticeKind.PRELIMINARY_CANCELLED)


def sums(state: InvoiceState) -> tuple[InvoiceStatus, int, int, int]:
    return state.status, state.paid_yen, state.excess_yen, state.balance_yen


@pytest.mark.parametrize(
    ("journal", "expected"),
    [
        ([], (InvoiceStatus.OPEN, 0, 0, 1_000)),
        ([paid(400)], (InvoiceStatus.PART_PAID, 400, 0, 600)),
        ([paid(400), paid(600, payment="q")], (InvoiceStatus.PAID, 1_000, 0, 0)),
        ([paid(1_000)], (InvoiceStatus.PAID, 1_000, 0, 0)),
        ([confirmed(1_000)], (InvoiceStatus.PAID, 1_000, 0, 0)),
        ([paid(1_200)], (InvoiceStatus.OVERPAID, 1_000, 200, 0)),
        ([paid(1_000), paid(1_000, payment="q")], (InvoiceStatus.OVERPAID, 1_000, 1_000, 0)),
        ([paid(1_000), withdrawn()], (InvoiceStatus.OPEN, 0, 0, 1_000)),
        ([withdrawn(), paid(1_000)], (InvoiceStatus.OPEN, 0, 0, 1_000)),
        ([paid(1_000), withdrawn(), paid(1_000, payment="q")], (InvoiceStatus.PAID, 1_000, 0, 0)),
        ([paid(1_000), withdrawn(), confirmed(1_000)], (InvoiceStatus.PAID, 1_000, 0, 0)),
        ([a_cancelled()], (InvoiceStatus.CANCELLED, 0, 0, 0)),
        ([a_cancelled(), paid(1_000)], (InvoiceStatus.CANCELLED, 0, 1_000, 0)),
        ([paid(400), a_cancelled()], (InvoiceStatus.CANCELLED, 0, 400, 0)),
    ],
)
def test_the_state_follows_from_what_counts(
    journal: list[Entry], expected: tuple[InvoiceStatus, int, int, int]
) -> None:
    assert sums(state_of(TERMS, journal)) == expected
    assert sums(state_of(TERMS, journal[::-1])) == expected


# --- when money counts


@pytest.mark.parametrize(
    ("policy", "amount_yen", "needed"),
    [
        (ReleasePolicy(), 10**9, False),
        (ReleasePolicy(release_on=ReleaseOn.CONFIRMED), 1, True),
        (ReleasePolicy(confirmed_from_yen=1_000), 999, False),
        (ReleasePolicy(confirmed_from_yen=1_000), 1_000, True),
        (ReleasePolicy(confirmed_from_yen=0), 1, True),
    ],
)
def test_a_policy_says_from_which_amount_money_must_be_confirmed(
    policy: ReleasePolicy, amount_yen: int, *, needed: bool
) -> None:
    assert policy.needs_confirmation(amount_yen) is needed


def test_preliminary_money_is_shown_and_does_not_count_where_it_must_be_confirmed() -> None:
    state = state_of(WITHHELD, [paid(1_000)])

    assert sums(state) == (InvoiceStatus.OPEN, 0, 0, 1_000)
    assert state.preliminary_yen == 1_000


def test_confirmed_money_counts_beside_preliminary_money() -> None:
    state = state_of(WITHHELD, [confirmed(300), paid(700, payment="q")])

    assert sums(state) == (InvoiceStatus.PART_PAID, 300, 0, 700)
    assert state.preliminary_yen == 700


def test_preliminary_money_counts_and_is_shown_where_nothing_must_be_confirmed() -> None:
    state = state_of(TERMS, [paid(1_000)])

    assert (state.paid_yen, state.preliminary_yen) == (1_000, 1_000)


def test_confirmed_money_is_no_longer_preliminary() -> None:
    assert state_of(TERMS, [paid(1_000), confirmed(1_000)]).preliminary_yen == 0


# --- the deadline


def test_the_deadline_is_the_due_time_and_its_grace() -> None:
    terms = an_invoice_terms(due_at=NOW + timedelta(days=1), grace_seconds=60)

    assert terms.deadline == NOW + timedelta(days=1, seconds=60)


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(days=30)])
def test_an_invoice_imported_past_due_has_no_grace_and_is_expired_at_once(ago: timedelta) -> None:
    terms = an_invoice_terms(due_at=NOW - ago)

    assert terms.deadline == NOW - ago
    assert state_of(terms, []).status is InvoiceStatus.EXPIRED


def at_deadline(terms: InvoiceTerms, *, seconds: int = 0) -> Entry:
    return a_deadline_passed(at=terms.deadline + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("terms", "journal", "status"),
    [
        (TERMS, [at_deadline(TERMS)], InvoiceStatus.EXPIRED),
        (TERMS, [at_deadline(TERMS, seconds=-1)], InvoiceStatus.OPEN),
        (TERMS, [paid(400), at_deadline(TERMS)], InvoiceStatus.EXPIRED),
        (TERMS, [paid(400, at=TERMS.deadline)], InvoiceStatus.EXPIRED),
        (TERMS, [paid(1_000), at_deadline(TERMS)], InvoiceStatus.PAID),
        (TERMS, [at_deadline(TERMS), paid(1_000)], InvoiceStatus.PAID),
        (TERMS, [at_deadline(TERMS), paid(1_001)], InvoiceStatus.OVERPAID),
        (TERMS, [at_deadline(TERMS), a_cancelled()], InvoiceStatus.CANCELLED),
        (WITHHELD, [paid(1_000), at_deadline(WITHHELD)], InvoiceStatus.OPEN),
        (WITHHELD, [paid(999), at_deadline(WITHHELD)], InvoiceStatus.EXPIRED),
        (
            WITHHELD,
            [confirmed(400), paid(600, payment="q"), at_deadline(WITHHELD)],
            InvoiceStatus.PART_PAID,
        ),
        (WITHHELD, [paid(1_000), withdrawn(), at_deadline(WITHHELD)], InvoiceStatus.EXPIRED),
    ],
)
def test_what_the_deadline_finds_unpaid_expires_unless_it_only_awaits_confirmation(
    terms: InvoiceTerms, journal: list[Entry], status: InvoiceStatus
) -> None:
    assert state_of(terms, journal).status is status


# --- the list of payments


def test_payments_are_listed_in_the_order_in_which_they_were_made() -> None:
    late = a_notice(name="late", paid_at=NOW + timedelta(hours=1))
    early = a_notice(name="early", paid_at=NOW)
    journal = [a_notice_applied(notice=late), a_notice_applied(notice=early)]

    assert [p.paid_at for p in state_of(TERMS, journal).payments] == [early.paid_at, late.paid_at]


def test_payments_are_kept_in_the_order_in_which_they_were_heard_of() -> None:
    journal: list[Entry] = [
        paid(1, payment="b"),
        a_cancelled(),
        paid(1, payment="a"),
        confirmed(1, payment="b"),
    ]

    assert list(Fold(TERMS, journal).payments) == [a_payment_id("b"), a_payment_id("a")]
