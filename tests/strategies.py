"""Notices that collide: few payments, amounts around what is owed, every kind, any order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import EnumMeta
from functools import cache
from types import UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

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


# --- any value of a type

ATOMS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(0, 1),
    bool: st.booleans(),
    type(None): st.none(),
    datetime: st.datetimes(
        min_value=datetime(2000, 1, 1),  # noqa: DTZ001  # the zone is given beside
        max_value=datetime(2099, 1, 1),  # noqa: DTZ001  # the zone is given beside
        timezones=st.just(UTC),
    ),
}


@cache
def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that the annotation allows, as the product makes them: tuples, dicts and UTC."""
    parameters = get_args(kind)
    if isinstance(kind, NewType):
        strategy = any_of(kind.__supertype__)
    elif isinstance(kind, EnumMeta) or get_origin(kind) is Literal:
        strategy = st.sampled_from(parameters or list(kind))
    elif get_origin(kind) in {UnionType, Union}:
        strategy = st.one_of([any_of(part) for part in parameters])
    elif get_origin(kind) is tuple:
        strategy = st.lists(any_of(parameters[0]), max_size=2).map(tuple)
    elif get_origin(kind) is Mapping:
        strategy = st.dictionaries(any_of(parameters[0]), any_of(parameters[1]), max_size=2)
    elif isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        strategy = st.builds(kind, **{part.name: any_of(hints[part.name]) for part in fields(kind)})
    else:
        strategy = ATOMS[kind]
    return strategy
