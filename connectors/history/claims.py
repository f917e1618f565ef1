"""Registering invoices: who comes first owns the invoice number and the references."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from connectors.history.sql import Insert, array, select, whole_milliseconds
from connectors.history.writes import INVOICES_IF_NEW
from streams.codecs import encode
from streams.domain.errors import Conflict
from streams.domain.ids import InvoiceId, MerchantId
from streams.domain.invoice import InvoiceStatus, InvoiceTerms, Reference, state_of
from streams.ports import InvoiceRow

_REGISTRATIONS = Insert(
    into="registrations (invoice_id, merchant_id, invoice_number, content, terms)",
    columns=5,
    conflict="(invoice_id) DO NOTHING",
)
_CLAIMS = Insert(
    into="claims (account_id, reference, invoice_id)",
    columns=3,
    conflict="(account_id, reference) DO NOTHING",
)
_ROW_COLUMNS = "invoice_id, merchant_id, version, status, shown"


class Registration(NamedTuple):
    """What one caller wants to register, ready to be written."""

    terms: InvoiceTerms
    content: str
    shown: str
    encoded: str
    status: InvoiceStatus


class _Claimed(NamedTuple):
    """The invoice that a registration is answered with, and whether it made it."""

    id: InvoiceId
    created: bool


_Claim = tuple[str, str]
"""An account and a reference in it."""


@dataclass(slots=True)
class _Known:
    """What is claimed so far: by the file, then by the earlier ones of the same transaction."""

    first: dict[tuple[str, str], tuple[str, str]]
    owners: dict[_Claim, str]
    new: list[Registration] = field(default_factory=list)


def registration_of(terms: InvoiceTerms, *, content: str, shown: str) -> Registration:
    """Encode what will be written, so that what cannot be written fails its caller alone."""
    encoded = encode(terms).decode()
    return Registration(terms, content, shown, encoded, state_of(terms, ()).status)


def register(
    connection: sqlite3.Connection, wanted: Sequence[Registration]
) -> Sequence[InvoiceRow | Conflict]:
    """Decide registrations in their order, within the caller's transaction.

    The transaction holds the write lock, so what is looked up first stays true until the rows
    are written; a registration that is refused has written nothing by then.
    """
    known = _look_up(connection, wanted)
    decisions = [_decide(known, registration) for registration in wanted]
    _write(connection, known.new)
    found = invoice_rows(
        connection, sorted({each.id for each in decisions if isinstance(each, _Claimed)})
    )
    return [
        replace(found[each.id], created=each.created) if isinstance(each, _Claimed) else each
        for each in decisions
    ]


def invoice_rows(
    connection: sqlite3.Connection, ids: Sequence[InvoiceId]
) -> dict[InvoiceId, InvoiceRow]:
    """Invoices by their ids; those that are not known are left out."""
    source = "invoices WHERE invoice_id IN (SELECT value FROM json_each(?))"
    rows = map(invoice_row, select(connection, _ROW_COLUMNS, source, [array(ids)]))
    return {row.invoice_id: row for row in rows}


def invoice_row(row: Sequence[object]) -> InvoiceRow:
    """A row of the columns id, merchant, version, status and JSON."""
    invoice_id, merchant_id, version, status, shown = row
    assert isinstance(version, int)
    return InvoiceRow(
        invoice_id=InvoiceId(str(invoice_id)),
        merchant_id=MerchantId(str(merchant_id)),
        version=version,
        status=InvoiceStatus(str(status)),
        shown=str(shown),
    )


def _look_up(connection: sqlite3.Connection, wanted: Sequence[Registration]) -> _Known:
    numbers = array([each.terms.merchant_id, each.terms.invoice_number] for each in wanted)
    first = select(
        connection,
        "r.merchant_id, r.invoice_number, r.invoice_id, r.content",
        "json_each(?) AS j CROSS JOIN registrations AS r ON r.merchant_id = j.value ->> 0"
        " AND r.invoice_number = j.value ->> 1",
        [numbers],
    )
    claims = array(_claim(reference) for each in wanted for reference in each.terms.references)
    owners = select(
        connection,
        "c.account_id, c.reference, c.invoice_id",
        "json_each(?) AS j CROSS JOIN claims AS c ON c.account_id = j.value ->> 0"
        " AND c.reference = j.value ->> 1",
        [claims],
    )
    return _Known(
        first={(merchant, number): (found, content) for merchant, number, found, content in first},
        owners={(account, value): owner for account, value, owner in owners},
    )


def _claim(reference: Reference) -> _Claim:
    return reference.account_id, reference.value


def _decide(known: _Known, wanted: Registration) -> _Claimed | Conflict:
    terms = wanted.terms
    number = terms.merchant_id, terms.invoice_number
    before = known.first.get(number)
    if before is not None:
        invoice_id, content = before
        if content == wanted.content:
            return _Claimed(InvoiceId(invoice_id), created=False)
        return Conflict(
            f"invoice_number {terms.invoice_number!r} was registered before with other content"
        )
    for reference in terms.references:
        if known.owners.get(_claim(reference), terms.invoice_id) != terms.invoice_id:
            # Whose invoice that is stays unsaid: an account may serve several merchants.
            return Conflict(
                f"the reference {reference.value!r} of account {reference.account_id}"
                " is already registered for another invoice"
            )
    known.first[number] = terms.invoice_id, wanted.content
    known.owners.update({_claim(each): terms.invoice_id for each in terms.references})
    known.new.append(wanted)
    return _Claimed(terms.invoice_id, created=True)


def _write(connection: sqlite3.Connection, new: Sequence[Registration]) -> None:
    registrations, claims, invoices = [], [], []
    for each in new:
        terms = each.terms
        identity = terms.invoice_id, terms.merchant_id, terms.invoice_number
        registrations.append((*identity, each.content, each.encoded))
        claims += [(*_claim(reference), terms.invoice_id) for reference in terms.references]
        created_us = whole_milliseconds(terms.created_at)
        invoices.append((*identity, 0, each.status, created_us, each.shown))
    _REGISTRATIONS.run(connection, registrations)
    _CLAIMS.run(connection, claims)
    INVOICES_IF_NEW.run(connection, invoices)
