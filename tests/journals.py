"""An invoice and what happens to it, read from the log one record after the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from streams.domain.invoice import Entry, Invoice, NoticeApplied, ReleaseOn, ReleasePolicy
from streams.domain.notice import NoticeKind
from streams.domain.settlement import Changed, settle
from tests.builders import NOW, a_notice, a_notice_applied, an_invoice, an_invoice_terms

TERMS = an_invoice_terms(amount_yen=1_000)
WITHHELD = an_invoice_terms(amount_yen=1_000, release=ReleasePolicy(release_on=ReleaseOn.CONFIRMED))
OPEN = an_invoice(terms=TERMS)
AFTERWARDS = TERMS.deadline + timedelta(seconds=1)


def heard(
    amount_yen: int = 1_000,
    *,
    payment: str = "p",
    kind: NoticeKind = NoticeKind.PRELIMINARY,
    at: datetime = NOW,
    paid_at: datetime = NOW,
    offset: int = 0,
) -> NoticeApplied:
    name = f"{payment}-{kind}"
    notice = a_notice(name=name, payment=payment, kind=kind, amount_yen=amount_yen, paid_at=paid_at)
    return a_notice_applied(notice=notice, at=at, source=f"invoices/0/{offset}")


def after(*entries: Entry, invoice: Invoice = OPEN) -> Invoice:
    """The invoice after these entries, read at the offsets 0, 1, 2 and so on."""
    journal = tuple(
        replace(entry, source=f"invoices/0/{offset}") for offset, entry in enumerate(entries)
    )
    return replace(invoice, journal=journal)


def decided(invoice: Invoice, applied: NoticeApplied) -> Changed:
    change = settle(invoice, replace(applied, source="invoices/0/900"))
    assert isinstance(change, Changed)
    return change
