"""Cursors of lists: what is given comes back, and only what was given is taken."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.history.cursors import cursor_of, position_in, time_and_id_in
from streams.domain.errors import Malformed

numbers = st.integers(min_value=0, max_value=2**63 - 1)


def spelled(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@given(position=numbers)
def test_a_position_comes_back(position: int) -> None:
    assert position_in(cursor_of("events", position), "events") == position


@given(time=numbers, name=st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_a_time_and_an_id_come_back_from_a_cursor_that_a_url_can_hold(time: int, name: str) -> None:
    cursor = cursor_of("invoices", time, name)

    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    assert time_and_id_in(cursor, "invoices") == (time, name)


@given(cursor=st.text(max_size=60))
def test_anything_else_is_malformed(cursor: str) -> None:
    for read in (position_in, time_and_id_in):
        with pytest.raises(Malformed):
            read(cursor, "events")


@pytest.mark.parametrize(
    "text",
    [
        '["events", 7]',
        '["events",7.0]',
        '["events",true]',
        '["events",-1]',
        '["events",9223372036854775808]',
        '["events","7"]',
        '["events",7,7]',
        '["events",[7]]',
        '{"events":7}',
        "[[]]",
        "[" * 300,
        "7",
    ],
)
def test_a_spelling_that_we_do_not_give_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        position_in(spelled(text), "events")


def test_a_cursor_serves_only_its_own_list() -> None:
    with pytest.raises(Malformed):
        time_and_id_in(cursor_of("deliveries", 7, "dlv_1"), "invoices")


def test_a_cursor_with_padding_is_malformed() -> None:
    with pytest.raises(Malformed):
        position_in(cursor_of("events", 7) + "=", "events")
