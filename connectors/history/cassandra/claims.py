"""Registering invoices: who comes first owns the invoice number and all references, or nothing.

An attempt is written first, under the invoice's id, which is derived from its number; then it
claims its references one after another in one order that all attempts share; then it is settled.
Each step is a conditional statement, so of several processes one succeeds. Whoever meets an
attempt that is not settled takes it to its end: its process may have died. A reference that a
settled invoice owns is what undoes an attempt, and it stays owned, so an attempt that is undone
could never have been settled by anyone else. Undoing removes the attempt itself; a claim counts
for nothing without it and is taken over by whoever wants the reference. Attempts that wait for
each other wait for a greater reference than those they hold, so there is no circle.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

from connectors.history.cassandra.session import Session, Undecided
from connectors.history.claims import Registration
from connectors.history.sql import whole_milliseconds
from streams.codecs import decode_terms
from streams.domain.errors import Conflict, Unavailable
from streams.domain.ids import AccountId, InvoiceId
from streams.domain.invoice import InvoiceTerms, Reference

TRIES_MAX = 12
"""So often a registration, or a claim, begins anew because others were in the middle of theirs."""
PATIENCE = 3
"""So often an attempt of others is left alone: most likely its process is at work on it."""
PAUSE_SECONDS_MIN = 0.02
PAUSE_SECONDS_MAX = 1.0

_COLUMNS = "invoice_id, merchant_id, content, attempt, settled, terms, status, created_us, shown"
_BEGIN = (
    f"INSERT INTO registrations ({_COLUMNS})"  # noqa: S608  # our columns
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS"
)
_REGISTRATION = f"SELECT {_COLUMNS} FROM registrations WHERE invoice_id = ?"  # noqa: S608  # our columns
_SETTLE = "UPDATE registrations SET settled = true WHERE invoice_id = ? IF attempt = ?"
_FORGET = "DELETE FROM registrations WHERE invoice_id = ? IF attempt = ? AND settled = false"
_CLAIM = (
    "INSERT INTO claims (account_id, reference, invoice_id, attempt) VALUES (?, ?, ?, ?)"
    " IF NOT EXISTS"
)
_TAKE_OVER = (
    "UPDATE claims SET invoice_id = ?, attempt = ? WHERE account_id = ? AND reference = ?"
    " IF attempt = ?"
)
_OWNER = "SELECT invoice_id, attempt FROM claims WHERE account_id = ? AND reference = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A registration as it is stored; the attempt is a digest of all that was to be registered."""

    invoice_id: str
    merchant_id: str
    content: str
    attempt: str
    settled: bool
    terms: str
    status: str
    created_us: int
    shown: str

    def references(self) -> list[Reference]:
        """The references in the order in which they are claimed."""
        terms = decode_terms(self.terms.encode())
        return sorted(terms.references, key=lambda each: (each.account_id, each.value))


def attempt_of(wanted: Registration) -> Attempt:
    """What is to be registered, not settled yet."""
    said = f"{wanted.content}\n{wanted.encoded}\n{wanted.shown}"
    return Attempt(
        invoice_id=wanted.terms.invoice_id,
        merchant_id=wanted.terms.merchant_id,
        content=wanted.content,
        attempt=hashlib.sha256(said.encode()).hexdigest(),
        settled=False,
        terms=wanted.encoded,
        status=str(wanted.status),
        created_us=whole_milliseconds(wanted.terms.created_at),
        shown=wanted.shown,
    )


async def claim(session: Session, wanted: Attempt) -> tuple[Attempt, bool]:
    """The settled registration of this number, and whether this call began it.

    Raises `Conflict` when its content is another or a reference is another invoice's, and
    `Unavailable` when that could not be decided.
    """
    began = False
    for number in range(TRIES_MAX):
        try:
            found, is_new = await _begin(session, wanted)
            began = began or is_new
            if not is_new and not found.settled and number < PATIENCE:
                await _pause(number)
                continue
            refused = None if found.settled else await _finish(session, found)
        except Undecided:
            await _pause(number)
            continue
        if refused is None:
            _must_be_same(found, wanted)
            return found, began and found.attempt == wanted.attempt
        if found.attempt == wanted.attempt:
            # Whose invoice that is stays unsaid: an account may serve several merchants.
            raise Conflict(
                f"the reference {refused.value!r} of account {refused.account_id}"
                " is already registered for another invoice"
            )
    raise Unavailable("history: too many register the same invoice or reference at once")


def _must_be_same(found: Attempt, wanted: Attempt) -> None:
    if found.content != wanted.content:
        number = decode_terms(wanted.terms.encode()).invoice_number
        raise Conflict(f"invoice_number {number!r} was registered before with other content")


async def _begin(session: Session, wanted: Attempt) -> tuple[Attempt, bool]:
    values = [getattr(wanted, column) for column in _COLUMNS.split(", ")]
    answer = await session.decide(_BEGIN, *values)
    if answer.pop("[applied]"):
        return wanted, True
    return Attempt(**answer), False


async def _finish(session: Session, attempt: Attempt) -> Reference | None:
    """Settle an attempt, whoever began it; or undo it and return the reference that it lacks.

    Raises `Undecided` when somebody else undid it meanwhile.
    """
    for reference in attempt.references():
        if not await _claim(session, attempt, reference):
            # What it claimed so far is left to whoever wants it next.
            await session.decide(_FORGET, attempt.invoice_id, attempt.attempt)
            return reference
    answer = await session.decide(_SETTLE, attempt.invoice_id, attempt.attempt)
    if not answer["[applied]"]:
        raise Undecided("history: the registration was undone by another process")
    return None


async def _claim(session: Session, attempt: Attempt, reference: Reference) -> bool:
    """Hold a reference for an attempt; false when it is another invoice's for good."""
    key = reference.account_id, reference.value
    holder = attempt.invoice_id, attempt.attempt
    for number in range(TRIES_MAX):
        answer = await session.decide(_CLAIM, *key, *holder)
        if answer["[applied]"] or answer["attempt"] == attempt.attempt:
            return True
        owner = await _registration(session, answer["invoice_id"])
        if owner is None or not owner.settled or owner.attempt != answer["attempt"]:
            owner = await _registration(session, answer["invoice_id"], is_last=True)
        if owner is None or owner.attempt != answer["attempt"]:
            # Left behind by an attempt that was undone.
            taken = await session.decide(_TAKE_OVER, *holder, *key, answer["attempt"])
            if taken["[applied]"]:
                return True
        elif owner.settled:
            return False
        elif number < PATIENCE:
            await _pause(number)
        else:
            await _finish(session, owner)
    raise Undecided("history: others are in the middle of claiming the reference")


async def _pause(number: int) -> None:
    await asyncio.sleep(min(PAUSE_SECONDS_MIN * 2**number, PAUSE_SECONDS_MAX))


async def _registration(
    session: Session, invoice_id: str, *, is_last: bool = False
) -> Attempt | None:
    row: dict[str, Any] | None = await session.decided(_REGISTRATION, invoice_id, is_last=is_last)
    return Attempt(**row) if row is not None else None


async def terms_of(session: Session, invoice_id: InvoiceId) -> InvoiceTerms | None:
    """The terms of a registration."""
    found = await _registration(session, invoice_id)
    return decode_terms(found.terms.encode()) if found is not None and found.settled else None


async def claimed_by(session: Session, account_id: AccountId, reference: str) -> InvoiceId | None:
    """The invoice that owns a reference; a claim counts when its registration is settled."""
    row = await session.decided(_OWNER, account_id, reference)
    if row is None:
        return None
    owner = await _registration(session, row["invoice_id"])
    is_owned = owner is not None and owner.settled and owner.attempt == row["attempt"]
    return InvoiceId(row["invoice_id"]) if is_owned else None
