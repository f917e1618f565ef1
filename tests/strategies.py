"""Notices that collide: few payments, amounts around what is owed, every kind, any order."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from streams.domain.invoice import InvoiceTerms, ReleaseOn, ReleasePolicy
from streams.domain.notice import Notice, NoticeKind
from tests.builders import NOW, a_notice, an_invoice_terms

AMOUNT_YEN = 1_000
DUE_AT = NOW + timedelta(days=7)
LATE = DUE_AT + timedelta(days=1)

amounts = st.sampled_from([1, 400, 600, 999, AMOUNT_YEN, AMOUNT_YEN + 1, 2 * AMOUNT_YEN])
moments = st.sampled_from([None, NOW, NOW + timedelta(minutes=1)])


@st.composite
def some_notices(draw: st.DrawFn, *, reference: str = "ORD-1001") -> Notice:
    """One notice of few that are possible; the same name never says two things."""
    payment = draw(st.sampled_from("pqr"))
    kind = draw(st.sampled_from(NoticeKind))
    amount_yen, channel_at = draw(amounts), draw(moments)
    paid_at = draw(st.sampled_from([NOW, NOW, LATE]))
    return a_notice(
        name=f"{payment}-{kind}-{amount_yen}-{channel_at}-{paid_at}",
        payment=payment,
        kind=kind,
        reference=reference,
        amount_yen=amount_yen,
        paid_at=paid_at,
        channel_at=channel_at,
    )


def notice_sets(*, max_size: int = 6) -> st.SearchStrategy[list[Notice]]:
    """Different notices about few payments."""
    return st.lists(
        some_notices(), min_size=1, max_size=max_size, unique_by=lambda notice: notice.notice_id
    )


@st.composite
def deliveries_of(draw: st.DrawFn, notices: list[Notice]) -> list[Notice]:
    """The same notices in any order, any of them repeated, as a channel delivers them."""
    repeats = draw(st.lists(st.sampled_from(notices), max_size=4))
    return draw(st.permutations(notices + repeats))


policies = st.sampled_from(
    [
        ReleasePolicy(),
        ReleasePolicy(release_on=ReleaseOn.CONFIRMED),
        ReleasePolicy(confirmed_from_yen=AMOUNT_YEN),
        ReleasePolicy(confirmed_from_yen=AMOUNT_YEN + 1),
    ]
)


def some_terms() -> st.SearchStrategy[InvoiceTerms]:
    """An invoice of one amount, under each policy, due in a week or imported past due."""
    return st.builds(
        lambda policy, due_at: an_invoice_terms(
            amount_yen=AMOUNT_YEN, due_at=due_at, release=policy
        ),
        policies,
        st.sampled_from([DUE_AT, DUE_AT, NOW - timedelta(days=1)]),
    )
