"""SBPS's XML: its encoding, and what hostile documents meet."""

from __future__ import annotations

from itertools import pairwise

import pytest

from connectors.channels.sbps import CHANNEL
from streams.domain.errors import Malformed, NotAuthentic
from tests.unit.test_channel_sbps import ACCOUNT, CONFIG, posted, with_body


@pytest.mark.parametrize(
    "declaration",
    [
        b"",
        b'<?xml version="1.0"?>',
        b'<?xml version="1.0" encoding="Windows-31J" standalone="yes"?>',
    ],
)
def test_other_declarations_of_the_same_encoding(declaration: bytes) -> None:
    body = declaration + posted().body.partition(b"?>")[2].lstrip()

    CHANNEL.authenticate(with_body(body), CONFIG)


def test_another_encoding_is_refused() -> None:
    body = posted().body.replace(b"Shift_JIS", b"UTF-16")

    with pytest.raises(Malformed, match="not Shift_JIS"):
        CHANNEL.parse(with_body(body), ACCOUNT)
    with pytest.raises(Malformed, match="not Shift_JIS at byte 3"):
        CHANNEL.parse(with_body(b"<a>\x81\xff"), ACCOUNT)


DTD = b"<!DOCTYPE sps-api-request [%s]>\n<sps-api-request/>"
NAMES = "abcdefghijklmnopqrst"
BOMB = b'<!ENTITY a "aaaaaaaaaa">' + b"".join(
    f"<!ENTITY {name} '{f'&{inner};' * 10}'>".encode() for inner, name in pairwise(NAMES)
)


@pytest.mark.parametrize(
    "subset",
    [
        b"",
        BOMB,
        b'<!ENTITY x SYSTEM "file:///etc/hostname">',
        b'<!ENTITY %% p SYSTEM "http://192.0.2.1/">',
    ],
)
def test_a_dtd_is_refused(subset: bytes) -> None:
    with pytest.raises(Malformed, match="DTD"):
        CHANNEL.parse(with_body(DTD % subset), ACCOUNT)


def test_an_entity_bomb_of_ten_megabytes_is_refused_before_it_is_read() -> None:
    bomb = with_body(DTD % (BOMB + b"<!-- " + b"x" * 10_000_000 + b" -->"))

    with pytest.raises(Malformed, match="at most 65536 bytes"):
        CHANNEL.parse(bomb, ACCOUNT)
    with pytest.raises(NotAuthentic):
        CHANNEL.authenticate(bomb, CONFIG)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not XML at line 1"),
        (b"<a>", "not XML"),
        (b"<other/>", "root element"),
        (b"<sps-api-request xmlns='urn:x'/>", "root element"),
        (b"<sps-api-request>&undefined;</sps-api-request>", "not XML"),
        (b"<sps-api-request>" + b"<a>" * 8_000, "not XML"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        CHANNEL.parse(with_body(body), ACCOUNT)


def test_deeper_nesting_than_the_format_has_is_refused() -> None:
    body = posted().body.replace(b"10800<", b"<b>10800</b><", 1)

    with pytest.raises(Malformed, match="nested deeper"):
        CHANNEL.parse(with_body(body), ACCOUNT)
