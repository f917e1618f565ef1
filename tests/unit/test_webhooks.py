"""Signatures, secrets, Retry-After and the words for failures."""

from __future__ import annotations

import base64
import errno
import socket
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.address_guard import AddressNotAllowed
from connectors.webhooks import (
    ERRNO_WORDS,
    format_secret,
    name_failure,
    parse_retry_after,
    parse_secret,
    sign,
)
from streams.clock import system_clock
from streams.domain.delivery import RETRY_AFTER_SECONDS_MAX
from streams.domain.errors import Malformed

SECRET = bytes(range(32))
NOW = datetime(2026, 11, 24, 1, 15, 3, 500_000, tzinfo=UTC)
BODY = '{"type":"invoice.paid","name":"山田"}'.encode()


def headers(signature: str, timestamp_seconds: int) -> dict[str, str]:
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": signature,
    }


def test_the_published_example_of_the_standard_is_signed_alike() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_official_library_accepts_a_signature_and_refuses_every_change() -> None:
    timestamp = int(system_clock().timestamp())
    good = headers(sign(SECRET, "evt_1", timestamp, BODY), timestamp)
    receiver = Webhook(format_secret(SECRET))

    assert receiver.verify(BODY, good) == {"type": "invoice.paid", "name": "山田"}
    for changed in (
        {**good, "webhook-id": "evt_2"},
        {**good, "webhook-timestamp": str(timestamp + 1)},
        headers(sign(bytes(32), "evt_1", timestamp, BODY), timestamp),
    ):
        with pytest.raises(WebhookVerificationError):
            receiver.verify(BODY, changed)
    with pytest.raises(WebhookVerificationError):
        receiver.verify(BODY + b" ", good)


def test_a_secret_survives_its_text_form() -> None:
    text = format_secret(SECRET)

    assert text.startswith("whsec_")
    assert parse_secret(text) == SECRET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        base64.b64encode(SECRET).decode(),
        "whsec_" + base64.b64encode(SECRET[:31]).decode(),
        "whsec_" + base64.b64encode(SECRET + b"x").decode(),
        "whsec_" + base64.b64encode(SECRET).decode()[:-1],
        "whsec_" + "*" * 44,
        "whsec_" + "é" * 44,
    ],
)
def test_what_is_not_a_secret_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_secret(text)

    assert len(text) < 8 or text[6:] not in str(refused.value)


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
    ],
)
def test_failures_have_stable_words_that_tell_nothing_else(failure: OSError, words: str) -> None:
    assert name_failure(failure) == words
    assert all(" " not in known for known in ERRNO_WORDS.values())
