"""By which names the change of an invoice is told."""

from __future__ import annotations

from itertools import product

import pytest

from streams.domain.invoice import SETTLED, InvoiceState
from streams.domain.invoice import InvoiceStatus as Status
from streams.domain.notice import NoticeKind
from streams.domain.notification import TOLD_OF_NOTICE, told_of_change
from streams.domain.notification import NotificationType as Told


def state(status: Status, *, paid_yen: int = 0, excess_yen: int = 0) -> InvoiceState:
    return InvoiceState(
        status=status,
        paid_yen=paid_yen,
        excess_yen=excess_yen,
        preliminary_yen=0,
        balance_yen=0,
        payments=(),
    )


OPEN, PAID = state(Status.OPEN), state(Status.PAID, paid_yen=10)
PART, MORE = state(Status.PART_PAID, paid_yen=3), state(Status.PART_PAID, paid_yen=7)
OVER = state(Status.OVERPAID, paid_yen=10, excess_yen=5)
FAR_OVER = state(Status.OVERPAID, paid_yen=10, excess_yen=9)
CANCELLED, EXPIRED = state(Status.CANCELLED), state(Status.EXPIRED)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (OPEN, OPEN, ()),
        (OPEN, PART, (Told.INVOICE_PART_PAID,)),
        (OPEN, PAID, (Told.INVOICE_PAID,)),
        (OPEN, OVER, (Told.INVOICE_PAID, Told.INVOICE_OVERPAID)),
        (OPEN, EXPIRED, (Told.INVOICE_EXPIRED,)),
        (OPEN, CANCELLED, (Told.INVOICE_CANCELLED,)),
        (PART, MORE, (Told.INVOICE_PART_PAID,)),
        (PART, PART, ()),
        (PART, OPEN, (Told.INVOICE_REOPENED,)),
        (PAID, PAID, ()),
        (PAID, OVER, (Told.INVOICE_OVERPAID,)),
        (PAID, OPEN, (Told.INVOICE_REOPENED,)),
        (PAID, PART, (Told.INVOICE_REOPENED,)),
        (PAID, EXPIRED, (Told.INVOICE_REOPENED, Told.INVOICE_EXPIRED)),
        (OVER, PAID, ()),
        (OVER, OVER, ()),
        (OVER, FAR_OVER, (Told.INVOICE_OVERPAID,)),
        (FAR_OVER, OVER, ()),
        (OVER, OPEN, (Told.INVOICE_REOPENED,)),
        (EXPIRED, PAID, (Told.INVOICE_PAID,)),
        (EXPIRED, OPEN, (Told.INVOICE_REOPENED,)),
        (EXPIRED, EXPIRED, ()),
        (CANCELLED, CANCELLED, ()),
    ],
)
def test_a_change_has_its_names(
    before: InvoiceState, after: InvoiceState, told: tuple[Told, ...]
) -> None:
    assert told_of_change(before, after) == told


@pytest.mark.parametrize(
    ("before", "after"), list(product([OPEN, PART, PAID, OVER, CANCELLED, EXPIRED], repeat=2))
)
def test_paid_is_told_on_the_way_in_and_reopened_on_the_way_out(
    before: InvoiceState, after: InvoiceState
) -> None:
    told = told_of_change(before, after)

    is_paid = before.status not in SETTLED and after.status in SETTLED
    was_paid = before.status in SETTLED and after.status not in SETTLED
    assert (Told.INVOICE_PAID in told) is is_paid
    assert not was_paid or told[0] is Told.INVOICE_REOPENED


def test_each_kind_of_notice_is_told_by_its_own_name() -> None:
    assert {kind: f"payment.{kind}" for kind in NoticeKind} == TOLD_OF_NOTICE
