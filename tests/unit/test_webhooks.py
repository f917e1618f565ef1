"""Signatures, secrets, Retry-After and the words for failures."""

from __future__ import annotations

import errno
import socket
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.address_guard import AddressNotAllowed
from connectors.failures import ERRNO_WORDS, name_failure
from connectors.webhooks import parse_retry_after
from streams.domain.delivery import RETRY_AFTER_SECONDS_MAX

NOW = datetime(2026, 11, 24, 1, 15, 3, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("0000000000000000005", 5),
        ("9" * 8_000, RETRY_AFTER_SECONDS_MAX),
        ("86401", RETRY_AFTER_SECONDS_MAX),
        ("Tue, 24 Nov 2026 01:16:03 GMT", 60),
        ("Tuesday, 24-Nov-26 01:16:03 GMT", 60),
        ("Tue Nov 24 01:16:03 2026", 60),
        ("Tue, 24 Nov 2026 10:16:03 +0900", 60),
        ("Mon, 23 Nov 2026 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_SECONDS_MAX),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Tue, 99 Nov 2026 01:16:03 GMT", None),
        ("Tue, 24 Nov 99999999999999 01:16:03 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_bounded(
    text: str | None, seconds: int | None
) -> None:
    assert parse_retry_after(text, NOW) == seconds


@given(st.text(max_size=60) | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]?\w+"))
def test_no_retry_after_breaks_the_reader(text: str) -> None:
    seconds = parse_retry_after(text, NOW)

    assert seconds is None or 0 <= seconds <= RETRY_AFTER_SECONDS_MAX


def test_a_retry_after_date_is_rounded_up_so_that_it_is_not_too_early() -> None:
    wanted = NOW + timedelta(seconds=10)

    text = wanted.replace(microsecond=0).strftime("%a, %d %b %Y %H:%M:%S GMT")

    assert parse_retry_after(text, NOW) == 10


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (TimeoutError(), "timeout"),
        (AddressNotAllowed("address_not_allowed"), "address_not_allowed"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "dns: not_found"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "dns: no_answer"),
        (socket.gaierror(socket.EAI_FAIL, "x"), "dns: failed"),
        (OSError(errno.EMFILE, "x"), "out_of_sockets"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "connection_refused"),
        (OSError("secret.internal:99 said something"), "connection_failed"),
        (OSError("Multiple: [Errno 101] no route, [Errno 111] refused"), "connection_refused"),
    ],
)
def test_failures_have_stable_words_that_tell_nothing_else(failure: OSError, words: str) -> None:
    assert name_failure(failure) == words
    assert all(" " not in known for known in ERRNO_WORDS.values())
