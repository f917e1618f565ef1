"""Resolving: which invoice a payment reference belongs to, or who waits for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from streams.domain.errors import Malformed, OverLimit
from streams.domain.ids import InvoiceId, NoticeId, PaymentId
from streams.domain.invoice import Assignment
from streams.domain.notice import Notice

WAITING_MAX = 200
"""The most notices that wait for one reference; what comes after is quarantined."""
ASSIGNED_MAX = 200
"""The most payments of one reference that persons assigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A notice as it was read from the log; it waits when its invoice is not known yet.

    `at` is when it was first read, so that a replay tells the same again.
    """

    notice: Notice
    received_at: datetime
    at: datetime
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
    """Send a notice to its invoice, or let it wait; raise `OverLimit` when too many wait.

    The replay of a notice that was held is held again, also when its invoice is known by now:
    what was said then may have been lost in a crash.
    """
    waits = next((w for w in row.waiting if w.notice.notice_id == heard.notice.notice_id), None)
    if waits is not None and waits.source == heard.source:
        return row, Held(waiting=waits, repeated=False)
    for given in row.assigned:
        if given.payment_id == heard.notice.payment_id:
            return row, Resolved(
                invoice_id=given.invoice_id, waiting=heard, assignment=given.assignment
            )
    if row.invoice_id is not None:
        return row, Resolved(invoice_id=row.invoice_id, waiting=heard)
    if waits is not None:
        return row, Held(waiting=waits, repeated=True)
    if len(row.waiting) >= WAITING_MAX:
        raise OverLimit(f"at most {WAITING_MAX} notices wait for one reference")
    return replace(row, waiting=(*row.waiting, heard)), Held(waiting=heard, repeated=False)


def issue(row: ReferenceRow, invoice_id: InvoiceId) -> tuple[ReferenceRow, tuple[Resolved, ...]]:
    """Tie the reference to its invoice; what waited goes there now.

    What waited stays in the row: if the step is replayed, it is sent again. Raises `Malformed`
    when the reference belongs to another invoice.
    """
    if row.invoice_id not in {None, invoice_id}:
        raise Malformed("the reference belongs to another invoice")
    taken = {given.payment_id for given in row.assigned}
    freed = tuple(
        Resolved(invoice_id=invoice_id, waiting=waiting)
        for waiting in row.waiting
        if waiting.notice.payment_id not in taken
    )
    return replace(row, invoice_id=invoice_id), freed


def assign(
    row: ReferenceRow,
    *,
    notice_id: NoticeId,
    given_to: InvoiceId,
    assignment: Assignment,
    source: str,
) -> tuple[ReferenceRow, tuple[Resolved, ...]]:
    """Give the waiting notice's payment to an invoice, all its waiting notices together.

    Nothing is sent when the notice does not wait here or its payment was assigned before by
    another decision. Raises `OverLimit` when too many payments of this reference were assigned.
    """
    payment_id = next(
        (w.notice.payment_id for w in row.waiting if w.notice.notice_id == notice_id), None
    )
    given = next((given for given in row.assigned if given.payment_id == payment_id), None)
    if payment_id is None or (given is not None and given.source != source):
        return row, ()
    if given is None:
        if row.invoice_id is not None:
            return row, ()
        if len(row.assigned) >= ASSIGNED_MAX:
            raise OverLimit(f"at most {ASSIGNED_MAX} payments of one reference are assigned")
        given = Assigned(
            payment_id=payment_id, invoice_id=given_to, assignment=assignment, source=source
        )
        row = replace(row, assigned=(*row.assigned, given))
    freed = tuple(
        Resolved(invoice_id=given.invoice_id, waiting=waiting, assignment=given.assignment)
        for waiting in row.waiting
        if waiting.notice.payment_id == payment_id
    )
    return row, freed
