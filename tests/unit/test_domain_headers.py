"""Which headers a merchant may add, and what is shown of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.headers import (
    HEADER_NAME_CHARACTERS_MAX,
    HEADER_VALUE_CHARACTERS_MAX,
    RESERVED,
    SHOWN_CHARACTERS,
    SHOWN_FROM_CHARACTERS,
    fault_of_name,
    fault_of_value,
    masked,
    names_twice,
)


@pytest.mark.parametrize(
    "name", ["X-Shop", "authorization", "a", "!#$%&'*+-.^_`|~09aZ", "X" * 64, "contents", "hostile"]
)
def test_a_token_of_the_merchants_own_is_a_name(name: str) -> None:
    assert fault_of_name(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "X Shop",
        "X-Shop:",
        "X-Shop\r\nX-More",
        "X\n",
        "X\x00",
        "X-店",
        "X/Y",
        "(x)",
        "X" * 65,
    ],
)
def test_what_is_no_token_is_no_name(name: str) -> None:
    assert "token" in (fault_of_name(name) or "")


@pytest.mark.parametrize(
    "name",
    [
        *sorted(RESERVED),
        *("Host", "CONTENT-TYPE", "Content-Length", "Webhook-Id", "webhook-signature"),
        *("Transfer-Encoding", "Proxy-Authorization", "User-Agent", "traceParent", "webhook-x"),
    ],
)
def test_a_header_that_frames_or_signs_is_ours_in_any_letters(name: str) -> None:
    assert fault_of_name(name) == "this header is ours to send"


@pytest.mark.parametrize("value", ["x", "a b", "Bearer abc==", "~" * HEADER_VALUE_CHARACTERS_MAX])
def test_printable_ascii_is_a_value(value: str) -> None:
    assert fault_of_value(value) is None


@pytest.mark.parametrize(
    "value",
    ["", " ", " a", "a ", "a\r\nX-More: 1", "a\n", "\ta", "a\tb", "é", "\x7f", "a\x00b", "x" * 257],
)
def test_anything_else_is_no_value(value: str) -> None:
    assert "printable" in (fault_of_value(value) or "")


@given(st.text(max_size=300), st.text(max_size=70))
def test_whatever_passes_is_one_line_of_a_header(value: str, name: str) -> None:
    if fault_of_value(value) is None:
        assert re.fullmatch(r"[ -~]{1,256}", value)
        assert value == value.strip()
    if fault_of_name(name) is None:
        assert name.isascii()
        assert not set(name) & set(' \t\r\n\x00"(),/:;<=>?@[\\]{}')
        assert 1 <= len(name) <= HEADER_NAME_CHARACTERS_MAX


def test_a_value_as_it_is_shown_is_not_taken_for_a_value() -> None:
    assert fault_of_value(masked("a-long-enough-secret")) is not None
    assert fault_of_value("***") is not None


def test_names_that_differ_in_their_case_are_the_same() -> None:
    assert names_twice(["X-A", "x-b", "x-a", "X-B", "X-C"]) == ["x-a", "X-B"]
    assert names_twice(["X-A", "X-B"]) == []


@given(st.text(alphabet="abc", min_size=1, max_size=40))
def test_a_masked_value_shows_a_quarter_at_most(value: str) -> None:
    shown = masked(value).removeprefix("***")

    assert value.endswith(shown)
    assert shown == "" if len(value) < SHOWN_FROM_CHARACTERS else len(shown) == SHOWN_CHARACTERS
    assert len(shown) * 4 <= len(value)
