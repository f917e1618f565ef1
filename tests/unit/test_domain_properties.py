"""What holds for every set of notices: order and repeats do not matter, and money is conserved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.ids import notification_id
from streams.domain.invoice import (
    SETTLED,
    Fold,
    Invoice,
    InvoiceState,
    InvoiceTerms,
    state_of,
)
from streams.domain.notice import Notice
from streams.domain.notification import NotificationType as Told
from streams.domain.settlement import Changed, Refused, Repeated, cancel, settle
from tests.builders import NOW, a_notice_applied
from tests.step_builders import a_cancelled
from tests.strategies import LATE, deliveries_of, notice_sets, some_terms

CANCEL = "cancel"


@dataclass
class Story:
    """An invoice that lives through deliveries of notices and, perhaps, its cancellation."""

    invoice: Invoice
    ats: Sequence[datetime]
    changes: list[Changed] = field(default_factory=list)

    def happen(self, deliveries: Sequence[Notice | str]) -> Story:
        for offset, delivered in enumerate(deliveries):
            source = f"invoices/0/{offset}"
            at = self.ats[min(len(self.invoice.journal), len(self.ats) - 1)]
            if isinstance(delivered, Notice):
                applied = a_notice_applied(notice=delivered, at=at, source=source)
                self._take(settle(self.invoice, applied))
            else:
                self._take(cancel(self.invoice, a_cancelled(at=at, source=source)))
        return self

    def _take(self, decided: Changed | Repeated | Refused) -> None:
        if isinstance(decided, Changed):
            self.changes.append(decided)
            self.invoice = decided.invoice

    @property
    def state(self) -> InvoiceState:
        return state_of(self.invoice.terms, self.invoice.journal)


def story(
    terms: InvoiceTerms, ats: Sequence[datetime], deliveries: Sequence[Notice | str]
) -> Story:
    return Story(invoice=Invoice(terms=terms), ats=ats).happen(deliveries)


def times(count: int) -> st.SearchStrategy[list[datetime]]:
    """When each new thing is processed; some of it, or all, after the deadline."""
    return st.lists(st.sampled_from([NOW, LATE]), min_size=count, max_size=count).map(sorted)


@given(st.data(), some_terms(), notice_sets())
def test_order_and_repeats_do_not_matter_to_the_final_state(
    data: st.DataObject, terms: InvoiceTerms, notices: list[Notice]
) -> None:
    ats = data.draw(times(len(notices)))
    expected = story(terms, ats, notices).state

    delivered = data.draw(deliveries_of(notices))

    assert story(terms, ats, delivered).state == expected


@given(st.data(), some_terms(), notice_sets())
def test_a_cancellation_that_is_accepted_may_stand_anywhere(
    data: st.DataObject, terms: InvoiceTerms, notices: list[Notice]
) -> None:
    ats = data.draw(times(len(notices) + 1))
    cancelled_first = story(terms, ats, [CANCEL, *notices]).state
    without = story(terms, ats, notices).state

    delivered: list[Notice | str] = list(data.draw(deliveries_of(notices)))
    delivered.insert(data.draw(st.integers(0, len(delivered))), CANCEL)
    told = story(terms, ats, delivered)

    is_cancelled = Fold(terms, told.invoice.journal).is_cancelled
    assert told.state == (cancelled_first if is_cancelled else without)


@given(st.data(), some_terms(), notice_sets())
def test_money_is_conserved_at_every_step(
    data: st.DataObject, terms: InvoiceTerms, notices: list[Notice]
) -> None:
    delivered: list[Notice | str] = list(data.draw(deliveries_of(notices)))
    if data.draw(st.booleans()):
        delivered.insert(data.draw(st.integers(0, len(delivered))), CANCEL)

    for change in story(terms, [NOW], delivered).changes:
        state = change.state
        live_yen = sum(payment.live_yen for payment in state.payments)
        withheld = terms.release.needs_confirmation(terms.amount_yen)
        counted_yen = live_yen - state.preliminary_yen if withheld else live_yen
        assert state.paid_yen + state.excess_yen == counted_yen
        assert 0 <= state.paid_yen <= terms.amount_yen
        assert 0 <= state.balance_yen <= terms.amount_yen
        assert 0 <= state.preliminary_yen <= live_yen
        assert state.excess_yen >= 0
        assert state.status not in SETTLED or state.balance_yen == 0


@given(st.data(), some_terms(), notice_sets())
def test_each_accepted_notice_is_settled_once_and_told(
    data: st.DataObject, terms: InvoiceTerms, notices: list[Notice]
) -> None:
    ats = data.draw(times(len(notices)))

    changes = story(terms, ats, data.draw(deliveries_of(notices))).changes

    settled = [change.settlement.notice_id for change in changes if change.settlement]
    assert sorted(settled) == sorted(notice.notice_id for notice in notices)
    assert all(change.told for change in changes)
    ids = [
        notification_id(notice_id, kind)
        for notice_id, change in zip(settled, changes, strict=True)
        for kind in change.told
    ]
    assert len(ids) == len(set(ids))


@given(st.data(), some_terms(), notice_sets(max_size=10))
def test_between_two_paid_there_is_a_reopened(
    data: st.DataObject, terms: InvoiceTerms, notices: list[Notice]
) -> None:
    ats = data.draw(times(len(notices)))
    is_paid = False

    for change in story(terms, ats, data.draw(deliveries_of(notices))).changes:
        for told in change.told:
            assert not (is_paid and told is Told.INVOICE_PAID)
            is_paid = told is Told.INVOICE_PAID or (is_paid and told is not Told.INVOICE_REOPENED)
        assert is_paid is (change.state.status in SETTLED)
