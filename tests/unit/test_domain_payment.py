"""速報, 速報取消, 確報, 訂正 and 確報取消 of one payment, in whatever order they come."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from streams.domain.notice import Notice, NoticeKind, Store
from streams.domain.payment import PaymentState, payment_of
from tests.builders import NOW, a_notice

PRELIMINARY = NoticeKind.PRELIMINARY
CANCELLED = NoticeKind.PRELIMINARY_CANCELLED
CONFIRMED = NoticeKind.CONFIRMED
CORRECTED = NoticeKind.CORRECTED
REVERSED = NoticeKind.REVERSED


def said(kind: NoticeKind, *, amount_yen: int = 1_000, minute: int = 0) -> Notice:
    at = NOW + timedelta(minutes=minute)
    return a_notice(
        name=f"{kind}-{minute}", payment="p", kind=kind, amount_yen=amount_yen, channel_at=at
    )


@pytest.mark.parametrize(
    ("kinds", "state", "live_yen"),
    [
        ([PRELIMINARY], PaymentState.PRELIMINARY, 1_000),
        ([CANCELLED], PaymentState.CANCELLED, 0),
        ([PRELIMINARY, CANCELLED], PaymentState.CANCELLED, 0),
        ([CONFIRMED], PaymentState.CONFIRMED, 1_000),
        ([PRELIMINARY, CONFIRMED], PaymentState.CONFIRMED, 1_000),
        ([PRELIMINARY, CANCELLED, CONFIRMED], PaymentState.CONFIRMED, 1_000),
        ([CORRECTED], PaymentState.CONFIRMED, 1_000),
        ([PRELIMINARY, CONFIRMED, CORRECTED], PaymentState.CONFIRMED, 1_000),
        ([REVERSED], PaymentState.REVERSED, 0),
        ([PRELIMINARY, CONFIRMED, REVERSED], PaymentState.REVERSED, 0),
        ([PRELIMINARY, CONFIRMED, CORRECTED, REVERSED], PaymentState.REVERSED, 0),
    ],
)
def test_the_strongest_word_decides_in_every_order(
    kinds: list[NoticeKind], state: PaymentState, live_yen: int
) -> None:
    notices = [said(kind, minute=index) for index, kind in enumerate(kinds)]

    folded = {payment_of(order) for order in permutations(notices)}

    assert [(payment.state, payment.live_yen) for payment in folded] == [(state, live_yen)]


def test_the_amount_is_the_corrections_then_the_confirmations_then_the_preliminarys() -> None:
    heard = [said(PRELIMINARY, amount_yen=1), said(CANCELLED, amount_yen=9)]
    assert payment_of(heard).amount_yen == 1

    heard.append(said(CONFIRMED, amount_yen=2))
    assert payment_of(heard).amount_yen == 2

    heard.append(said(CORRECTED, amount_yen=3))
    assert payment_of(heard).amount_yen == 3

    heard.append(said(REVERSED, amount_yen=9))
    assert payment_of(heard).amount_yen == 3


def test_a_reversal_alone_still_tells_what_was_reversed() -> None:
    assert payment_of([said(REVERSED, amount_yen=700)]).amount_yen == 700


def test_of_two_corrections_the_later_one_of_the_channel_holds() -> None:
    early = said(CORRECTED, amount_yen=1, minute=1)
    late = said(CORRECTED, amount_yen=2, minute=2)

    assert payment_of([late, early]).amount_yen == payment_of([early, late]).amount_yen == 2


def test_a_correction_without_a_time_is_older_than_one_with_a_time() -> None:
    timeless = a_notice(name="t", payment="p", kind=CORRECTED, amount_yen=1)
    timed = said(CORRECTED, amount_yen=2)

    assert payment_of([timed, timeless]).amount_yen == payment_of([timeless, timed]).amount_yen == 2


def test_corrections_of_one_moment_are_told_apart_by_their_ids() -> None:
    one = a_notice(name="one", payment="p", kind=CORRECTED, amount_yen=1)
    two = a_notice(name="two", payment="p", kind=CORRECTED, amount_yen=2)

    assert payment_of([one, two]) == payment_of([two, one])


def test_the_payer_paid_when_the_earliest_word_says() -> None:
    later = a_notice(name="l", payment="p", kind=CONFIRMED, paid_at=NOW + timedelta(days=1))
    earlier = a_notice(name="e", payment="p", paid_at=NOW)

    assert payment_of([later, earlier]).paid_at == NOW


def test_a_payment_says_where_its_authority_says_it_was_made() -> None:
    store = Store(chain="7-11", code="0001")
    preliminary = a_notice(name="p", payment="p", reference="short")
    confirmed = a_notice(name="c", payment="p", kind=CONFIRMED, store=store, reference="long")

    payment = payment_of([preliminary, confirmed])

    assert (payment.store, payment.reference) == (store, "long")
    assert payment.payment_id == preliminary.payment_id
    assert (payment.channel, payment.account_id) == (confirmed.channel, confirmed.account_id)
