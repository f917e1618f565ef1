"""Which invoice a payment reference belongs to, and who waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest

from streams.domain.errors import Malformed, OverLimit
from streams.domain.ids import InvoiceId
from streams.domain.invoice import Assignment
from streams.domain.notice import NoticeKind
from streams.domain.resolution import (
    ASSIGNED_MAX,
    WAITING_MAX,
    Held,
    ReferenceRow,
    Resolved,
    Waiting,
    assign,
    issue,
    resolve,
)
from tests.builders import a_notice, a_notice_id
from tests.step_builders import a_waiting, an_assignment

INVOICE, OTHER = InvoiceId("inv_one"), InvoiceId("inv_other")
NOBODY = ReferenceRow()
KNOWN = ReferenceRow(invoice_id=INVOICE)
PERSON = an_assignment()
R = TypeVar("R")


def heard(
    name: str = "n",
    *,
    payment: str = "p",
    kind: NoticeKind = NoticeKind.PRELIMINARY,
    offset: int = 0,
) -> Waiting:
    notice = a_notice(name=name, payment=payment, kind=kind)
    return a_waiting(notice=notice, source=f"references/0/{offset}")


def given(
    row: ReferenceRow,
    notice: str,
    *,
    to: InvoiceId = INVOICE,
    by: Assignment = PERSON,
    offset: int = 50,
) -> tuple[ReferenceRow, tuple[Resolved, ...]]:
    return assign(
        row,
        notice_id=a_notice_id(notice),
        given_to=to,
        assignment=by,
        source=f"references/0/{offset}",
    )


def after(*waiting: Waiting, row: ReferenceRow = NOBODY) -> ReferenceRow:
    for one in waiting:
        row, _ = resolve(row, one)
    return row


# --- a notice


def test_a_notice_of_a_known_reference_goes_to_its_invoice_and_is_not_kept() -> None:
    assert resolve(KNOWN, heard()) == (KNOWN, Resolved(invoice_id=INVOICE, waiting=heard()))


def test_a_notice_of_an_unknown_reference_waits() -> None:
    row, outcome = resolve(NOBODY, heard())

    assert outcome == Held(waiting=heard(), repeated=False)
    assert row.waiting == (heard(),)


def test_a_repeat_of_a_waiting_notice_waits_once() -> None:
    row, outcome = resolve(after(heard()), heard(offset=9))

    assert outcome == Held(waiting=heard(), repeated=True)
    assert row.waiting == (heard(),)


def test_the_replay_of_a_waiting_notice_is_no_repeat() -> None:
    assert resolve(after(heard()), heard()) == (
        after(heard()),
        Held(waiting=heard(), repeated=False),
    )


def test_a_replay_is_held_again_although_the_invoice_is_known_by_now() -> None:
    row, _ = issue(after(heard()), INVOICE)

    _, replayed = resolve(row, heard())
    _, repeated = resolve(row, heard(offset=9))

    assert replayed == Held(waiting=heard(), repeated=False)
    assert repeated == Resolved(invoice_id=INVOICE, waiting=heard(offset=9))


def test_only_so_many_notices_wait_and_their_repeats_are_still_known() -> None:
    full = after(*(heard(f"n{number}", offset=number) for number in range(WAITING_MAX)))

    with pytest.raises(OverLimit, match=str(WAITING_MAX)):
        resolve(full, heard("one more"))
    assert isinstance(resolve(full, heard("n7", offset=999))[1], Held)


# --- a reference is issued


def test_what_waited_goes_to_the_invoice_and_stays_for_a_replay() -> None:
    waiting = after(heard("a"), heard("b", payment="q"))

    row, freed = issue(waiting, INVOICE)
    again = issue(row, INVOICE)

    assert [one.waiting for one in freed] == [heard("a"), heard("b", payment="q")]
    assert {one.invoice_id for one in freed} == {INVOICE}
    assert again == (row, freed)


def test_a_reference_never_moves_to_another_invoice() -> None:
    with pytest.raises(Malformed, match="another invoice"):
        issue(KNOWN, OTHER)


# --- a person assigns


def test_all_waiting_notices_of_the_payment_go_together() -> None:
    cancelled = heard("b", kind=NoticeKind.PRELIMINARY_CANCELLED)
    row = after(heard("a"), cancelled, heard("c", payment="q"))

    row, freed = given(row, "b")

    assert [one.waiting for one in freed] == [heard("a"), cancelled]
    assert {(one.invoice_id, one.assignment) for one in freed} == {(INVOICE, PERSON)}


def test_later_notices_of_an_assigned_payment_follow_it_and_others_do_not() -> None:
    row, _ = given(after(heard("a")), "a")

    _, follows = resolve(row, heard("later"))
    _, waits = resolve(row, heard("other", payment="q"))

    assert follows == Resolved(invoice_id=INVOICE, waiting=heard("later"), assignment=PERSON)
    assert isinstance(waits, Held)


def test_an_assigned_payment_is_not_sent_to_the_invoice_that_comes_later() -> None:
    row, _ = given(after(heard("a"), heard("b", payment="q")), "a", to=OTHER)

    row, freed = issue(row, INVOICE)

    assert [one.waiting for one in freed] == [heard("b", payment="q")]
    _, follows = resolve(row, heard("later"))
    assert isinstance(follows, Resolved)
    assert follows.invoice_id == OTHER


def test_a_replayed_assignment_sends_again_also_when_the_reference_was_issued_since() -> None:
    row, freed = given(after(heard("a")), "a")
    row, _ = issue(row, OTHER)

    assert given(row, "a") == (row, freed)


def test_the_first_of_two_decisions_holds() -> None:
    row, _ = given(after(heard("a")), "a")

    assert given(row, "a", to=OTHER, offset=51) == (row, ())


@pytest.mark.parametrize(
    "row", [NOBODY, after(heard("b")), KNOWN, replace(KNOWN, waiting=(heard("a"),))]
)
def test_what_does_not_wait_here_is_not_sent(row: ReferenceRow) -> None:
    assert given(row, "a") == (row, ())


def test_only_so_many_payments_of_one_reference_are_assigned() -> None:
    row = NOBODY
    for number in range(ASSIGNED_MAX + 1):
        name = f"n{number}"
        row = after(heard(name, payment=name), row=replace(row, waiting=row.waiting[-5:]))
        if number < ASSIGNED_MAX:
            row, _ = given(row, name, offset=number)

    with pytest.raises(OverLimit, match=str(ASSIGNED_MAX)):
        given(row, f"n{ASSIGNED_MAX}", offset=ASSIGNED_MAX)
    assert given(row, f"n{ASSIGNED_MAX - 1}", offset=ASSIGNED_MAX - 1)[1]
