"""What the notices of one invoice must come to is worked out without the product's own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from loadtests.outcomes import STANDINGS, Sent, ending, possible, says, settled, sure
from loadtests.schedule import CANCELLED, CONFIRMED, PRELIMINARY, Payment

BOTH = (PRELIMINARY, CONFIRMED)


def a_payment(
    number: int = 0, *accepted: str, uncertain: Sequence[str] = (), is_in_order: bool = True
) -> Sent:
    """A payment of the invoice of number 0; it was sent at its number's second."""
    payment = Payment(
        number=number,
        at_seconds=number,
        format="generic",
        merchant=0,
        is_known=True,
        is_live=False,
        pays=0,
    )
    return Sent(
        payment=payment,
        reference="R",
        accepted=frozenset(accepted),
        uncertain=frozenset(uncertain),
        is_in_order=is_in_order,
        sent_ns=number * 10,
        taken_ns=number * 10 + 5,
    )


def named(facts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    assert {reference for _, reference in facts} <= {"R"}
    return {name: times for (name, _), times in facts.items()}


def standings(*several: Sent) -> dict[str, list[tuple[str | None, int]]]:
    """By the name of each fact that may be told: outcomes, and how many payments count then."""
    told = sure(several) + possible(several)
    return {
        name: [(said.outcome, STANDINGS.index(said.standing)) for said in words if said.standing]
        for (name, reference), words in says(several).items()
        if (name, reference) in told
    }


def outcomes(*several: Sent) -> dict[str, list[str]]:
    return {name: how for (name, _), how in settled(several).items()}


def test_an_invoice_that_is_paid_twice_is_paid_once_and_overpaid_once() -> None:
    several = [a_payment(1, *BOTH), a_payment(0, *BOTH)]

    assert named(sure(several)) == {
        "payment.preliminary": 2,
        "payment.confirmed": 2,
        "invoice.paid": 1,
        "invoice.overpaid": 1,
    }
    assert named(possible(several)) == {}
    assert outcomes(*several) == {
        "payment.preliminary": ["matched", "duplicate"],
        "payment.confirmed": ["matched", "duplicate"],
        "invoice.paid": ["matched"],
        "invoice.overpaid": ["duplicate"],
    }


def test_only_the_second_payment_of_an_invoice_is_a_duplicate() -> None:
    first, second = a_payment(0, PRELIMINARY), a_payment(1, PRELIMINARY)
    second.accepted |= {CONFIRMED}

    assert outcomes(first, second)["payment.confirmed"] == ["duplicate"]


def test_which_of_two_payments_came_first_is_not_judged_where_nobody_knows() -> None:
    first, second = a_payment(0, PRELIMINARY), a_payment(1, PRELIMINARY)
    second.sent_ns = first.taken_ns - 1

    assert outcomes(first, second) == {
        "invoice.paid": ["matched"],
        "invoice.overpaid": ["duplicate"],
    }


def test_a_payment_that_is_taken_back_opens_its_invoice_again() -> None:
    sent = a_payment(0, PRELIMINARY, CANCELLED)

    assert named(sure([sent])) == {
        "payment.preliminary": 1,
        "payment.preliminary_cancelled": 1,
        "invoice.paid": 1,
        "invoice.reopened": 1,
    }
    assert {how for each in outcomes(sent).values() for how in each} == {"matched"}


@pytest.mark.parametrize(
    ("sent", "must", "may"),
    [
        (
            a_payment(0, PRELIMINARY, CANCELLED, is_in_order=False),
            {"payment.preliminary", "payment.preliminary_cancelled"},
            {"invoice.paid", "invoice.reopened"},
        ),
        (
            a_payment(0, PRELIMINARY, uncertain=[CANCELLED]),
            {"payment.preliminary", "invoice.paid"},
            {"payment.preliminary_cancelled", "invoice.reopened"},
        ),
        (
            a_payment(0, CANCELLED),
            {"payment.preliminary_cancelled"},
            set(),
        ),
        (
            a_payment(0, uncertain=[PRELIMINARY]),
            set(),
            {"payment.preliminary", "invoice.paid"},
        ),
    ],
)
def test_what_nobody_can_know_may_be_told_or_not(sent: Sent, must: set[str], may: set[str]) -> None:
    assert set(named(sure([sent]))) == must
    assert set(named(possible([sent]))) == may


def test_a_second_payment_without_an_answer_may_overpay() -> None:
    several = [a_payment(0, PRELIMINARY), a_payment(1, uncertain=[PRELIMINARY])]

    assert named(sure(several)) == {"payment.preliminary": 1, "invoice.paid": 1}
    assert named(possible(several)) == {"payment.preliminary": 1, "invoice.overpaid": 1}


# --- what is said of it


def test_a_payment_is_told_with_its_amount_and_the_invoice_that_it_pays() -> None:
    sent = a_payment(0, *BOTH)

    words = {said for each in says([sent]).values() for said in each if said.standing}
    assert {(said.amount_yen, said.invoice_number) for said in words} == {(12_800, "INV-0000000")}
    assert standings(sent) == {
        "payment.preliminary": [("matched", 1)],
        "payment.confirmed": [("matched", 1)],
        "invoice.paid": [("matched", 1)],
    }
    assert ending([sent]) == ("paid", 12_800, 0)


def test_an_invoice_that_is_paid_twice_ends_as_overpaid() -> None:
    several = [a_payment(0, *BOTH), a_payment(1, *BOTH)]

    assert standings(*several)["invoice.paid"] == [("matched", 1)]
    assert standings(*several)["invoice.overpaid"] == [("duplicate", 2)]
    matched_or_not = [("matched", 1), ("matched", 2), ("duplicate", 2)]
    assert standings(*several)["payment.confirmed"] == matched_or_not
    assert ending(several) == ("overpaid", 12_800, 12_800)


def test_an_invoice_whose_payment_was_taken_back_ends_as_open() -> None:
    sent = a_payment(0, PRELIMINARY, CANCELLED)

    assert standings(sent)["invoice.reopened"] == [("matched", 0)]
    assert standings(sent)["payment.preliminary"] == [("matched", 1)]
    assert ending([sent]) == ("open", 0, 0)


def test_a_payment_that_was_taken_back_before_it_came_may_never_have_counted() -> None:
    sent = a_payment(0, PRELIMINARY, CANCELLED, is_in_order=False)

    assert ("matched", 0) in standings(sent)["payment.preliminary"]
    assert ending([sent]) == ("open", 0, 0)


def test_nobody_knows_how_an_invoice_ends_while_a_notice_has_no_answer() -> None:
    assert ending([a_payment(0, PRELIMINARY, uncertain=[CANCELLED])]) is None
    assert ending([a_payment(0, PRELIMINARY, uncertain=[PRELIMINARY])]) is not None
