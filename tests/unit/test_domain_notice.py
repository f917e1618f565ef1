"""A notice that says what cannot be true of any payment is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from streams.domain.errors import Malformed
from streams.domain.notice import (
    AMOUNT_YEN_MAX,
    PAID_AHEAD_MAX,
    PAID_AT_EARLIEST,
    REFERENCE_CHARACTERS_MAX,
    Notice,
    NoticeKind,
    check_notice,
)
from tests.builders import NOW, a_notice

MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    "notice",
    [
        a_notice(amount_yen=1),
        a_notice(amount_yen=AMOUNT_YEN_MAX),
        a_notice(kind=NoticeKind.CORRECTED, amount_yen=0),
        a_notice(paid_at=PAID_AT_EARLIEST),
        a_notice(paid_at=NOW + PAID_AHEAD_MAX),
        a_notice(reference="x" * REFERENCE_CHARACTERS_MAX),
    ],
)
def test_what_may_be_true_passes(notice: Notice) -> None:
    check_notice(notice, now=NOW)


@pytest.mark.parametrize(
    ("notice", "word"),
    [
        *((a_notice(kind=kind, amount_yen=-1), "amount_yen") for kind in NoticeKind),
        *(
            (a_notice(kind=kind, amount_yen=0), "amount_yen")
            for kind in NoticeKind
            if kind is not NoticeKind.CORRECTED
        ),
        (a_notice(amount_yen=AMOUNT_YEN_MAX + 1), "amount_yen"),
        (a_notice(paid_at=PAID_AT_EARLIEST - MOMENT), "paid_at"),
        (a_notice(paid_at=NOW + PAID_AHEAD_MAX + MOMENT), "paid_at"),
        (replace(a_notice(), reference=""), "reference"),
        (a_notice(reference="x" * (REFERENCE_CHARACTERS_MAX + 1)), "reference"),
    ],
)
def test_what_cannot_be_true_is_refused_by_name(notice: Notice, word: str) -> None:
    with pytest.raises(Malformed, match=word):
        check_notice(notice, now=NOW)
