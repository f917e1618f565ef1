"""Resolving: which invoice a payment reference belongs to, or who waits for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from streams.domain.errors import Conflict, OverLimit
from streams.domain.ids import InvoiceId, NoticeId, PaymentId
from streams.domain.invoice import Assignment
from streams.domain.notice import Notice

WAITING_MAX = 200
"""The most notices that wait for one reference; what comes after is quarantined."""
ASSIGNED_MAX = 200
"""The most payments of one reference that persons assigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A notice whose invoice is not known yet."""

    notice: Notice
    received_at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """A payment that a person gave to an invoice; its later notices follow it."""

    payment_id: PaymentId
    invoice_id: InvoiceId
    assignment: Assignment
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """All that is known about one payment reference."""

    invoice_id: InvoiceId | None = None
    waiting: tuple[Waiting, ...] = ()
    assigned: tuple[Assigned, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A notice goes to an invoice."""

    invoice_id: InvoiceId
    waiting: Waiting
    assignment: Assignment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A notice waits; `repeated` when it was waiting already by another delivery."""

    waiting: Waiting
    repeated: bool


def resolve(row: ReferenceRow, heard: Waiting) -> tuple[ReferenceRow, Resolved | Held]:
    """Send a notice to its invoice, or let it wait; raise `OverLimit` when too many wait."""
    for given in row.assigned:
        if given.payment_id == heard.notice.payment_id:
            return row, Resolved(
                invoice_id=given.invoice_id, waiting=heard, assignment=given.assignment
            )
    if row.invoice_id is not None:
        return row, Resolved(invoice_id=row.invoice_id, waiting=heard)
    for other in row.waiting:
        if other.notice.notice_id == heard.notice.notice_id:
            return row, Held(waiting=other, repeated=other.source != heard.source)
    if len(row.waiting) >= WAITING_MAX:
        raise OverLimit(f"at most {WAITING_MAX} notices wait for one reference")
    return replace(row, waiting=(*row.waiting, heard)), Held(waiting=heard, repeated=False)


def issue(row: ReferenceRow, invoice_id: InvoiceId) -> tuple[ReferenceRow, tuple[Resolved, ...]]:
    """Tie the reference to its invoice; what waited goes there now.

    What waited stays in the row: if the step is replayed, it is sent again. Raises `Conflict`
    when the reference belongs to another invoice.
    """
    if row.invoice_id not in {None, invoice_id}:
        raise Conflict("the reference belongs to another invoice")
    taken = {given.payment_id for given in row.assigned}
    freed = tuple(
        Resolved(invoice_id=invoice_id, waiting=waiting)
        for waiting in row.waiting
        if waiting.notice.payment_id not in taken
    )
    return replace(row, invoice_id=invoice_id), freed


def assign(
    row: ReferenceRow, *, notice_id: NoticeId, given_to: InvoiceId, assignment: Assignment,
    source: str,
) -> tuple[ReferenceRow, tuple[Resolved, ...]]:
    """Give the waiting notice's payment to an invoice, all its waiting notices together.

    Nothing is sent when the notice does not wait here or its payment was assigned before by
    another decision. Raises `OverLimit` when too many payments of this reference were assigned.
    """
    payment_ids = {w.notice.payment_id for w in row.waiting if w.notice.notice_id == notice_id}
    if row.invoice_id is not None or not payment_ids:
        return row, ()
    payment_id = payment_ids.pop()
    before = next((given for given in row.assigned if given.payment_id == payment_id), None)
    if before is not None and before.source != source:
        return row, ()
    if before is None:
        if len(row.assigned) >= ASSIGNED_MAX:
            raise OverLimit(f"at most {ASSIGNED_MAX} payments of one reference are assigned")
        given = Assigned(
            payment_id=payment_id, invoice_id=given_to, assignment=assignment, source=source
        )
        row = replace(row, assigned=(*row.assigned, given))
    freed = tuple(
        Resolved(invoice_id=given_to, waiting=waiting, assignment=assignment)
        for waiting in row.waiting
        if waiting.notice.payment_id == payment_id
    )
    return row, freed
