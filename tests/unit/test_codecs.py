"""Bytes to values and back: what is written is read again, and anything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import codecs
from streams.codecs import JSON_DEPTH_MAX, check_json, encode
from streams.domain.delivery import Delivery, Endpoint
from streams.domain.errors import CorruptState, Malformed
from streams.domain.invoice import Invoice, InvoiceTerms
from streams.domain.resolution import ReferenceRow
from streams.happenings import HistoryMessage, Quarantined
from streams.messages import (
    DirectoryMessage,
    InvoiceMessage,
    InvoiceRegistered,
    NotificationMessage,
    ReferenceMessage,
)
from tests.builders import NOW, an_invoice_terms
from tests.step_builders import an_invoice_due
from tests.strategies import any_of

Decode = Callable[[bytes], Any]
FROM_TOPICS: list[tuple[Any, Decode]] = [
    (ReferenceMessage, codecs.decode_reference_message),
    (InvoiceMessage, codecs.decode_invoice_message),
    (NotificationMessage, codecs.decode_notification_message),
    (DirectoryMessage, codecs.decode_directory_message),
    (HistoryMessage | Quarantined, codecs.decode_archived),
]
FROM_TABLES: list[tuple[Any, Decode]] = [
    (ReferenceRow, codecs.decode_reference_row),
    (Invoice, codecs.decode_invoice),
    (tuple[Endpoint, ...], codecs.decode_endpoints),
    (Delivery, codecs.decode_delivery),
    (InvoiceTerms, codecs.decode_terms),
]
REGISTERED = InvoiceRegistered(terms=an_invoice_terms())


# --- our own messages and rows


@pytest.mark.parametrize(("kind", "decode"), FROM_TOPICS + FROM_TABLES)
def test_what_is_written_is_read_again(kind: Any, decode: Decode) -> None:
    @settings(max_examples=50)
    @given(any_of(kind))
    def holds(value: object) -> None:
        assert decode(encode(value)) == value

    holds()


def test_a_time_in_utc_is_written_with_z() -> None:
    assert encode(NOW) == b'"2026-11-24T01:15:00Z"'


@pytest.mark.parametrize(("_kind", "decode"), FROM_TOPICS)
@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{}", b'{"type":"?"}', b"\xff", b"{"])
def test_foreign_bytes_on_a_topic_are_malformed(_kind: Any, decode: Decode, raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode(raw)


@pytest.mark.parametrize(("_kind", "decode"), FROM_TABLES)
@pytest.mark.parametrize("raw", [b"", b"null", b"[1]", b"\xff", b"{"])
def test_a_row_that_cannot_be_read_is_our_own_fault(_kind: Any, decode: Decode, raw: bytes) -> None:
    with pytest.raises(CorruptState):
        decode(raw)


@pytest.mark.parametrize("amount", [500.7, 500.0, "500", True, None, [500]])
def test_an_amount_is_an_integer_or_nothing(amount: object) -> None:
    message = orjson.loads(encode(REGISTERED))
    message["terms"]["amount_yen"] = amount

    with pytest.raises(Malformed, match="terms/amount_yen"):
        codecs.decode_invoice_message(orjson.dumps(message))


def test_what_a_later_version_adds_is_passed_over() -> None:
    due = an_invoice_due(terms=REGISTERED.terms)
    message = {**orjson.loads(encode(due)), "new": 1}

    assert codecs.decode_invoice_message(orjson.dumps(message)) == due


def test_a_fault_says_where_and_never_what() -> None:
    message = orjson.loads(encode(REGISTERED))
    message["terms"]["due_at"] = "secret"

    with pytest.raises(Malformed) as caught:
        codecs.decode_invoice_message(orjson.dumps(message))

    assert "terms/due_at" in str(caught.value)
    assert "secret" not in str(caught.value)


# --- foreign JSON

scalars = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=4)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(documents.filter(lambda value: "\ud800" not in repr(value)))
def test_json_by_the_letter_is_read(value: object) -> None:
    assert check_json(orjson.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "[" * JSON_DEPTH_MAX + "]" * JSON_DEPTH_MAX,
        "[" + "[]," * 100 + "[]]",
        r'"[[[[ \" [[[[ \\"',
        '"' + "[" * 100 + '"',
        r'"\ud83d\ude00"',
        r'{"\u65e5": ["\u672c", 1]}',
        '{"a": {"a": 1}}',
        "12345678901234567890",
    ],
)
def test_what_only_looks_dangerous_is_read(text: str) -> None:
    assert check_json(text.encode()) is not None


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"\xff", "UTF-8 at byte 0"),
        (b'{"a": "\x83\x65"}', "UTF-8 at byte 7"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        ("{}".encode("utf-16"), "UTF-8"),
        (b"", "not JSON"),
        (b"{", "line 1 column 2"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"NaN", "NaN"),
        (b'{"a": [-Infinity]}', "Infinity"),
        (b'{"a": 1, "a": 1}', '"a" is given twice'),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', '"a" is given twice'),
        (b"[" * (JSON_DEPTH_MAX + 1), "deeper"),
        (b'{"a":' * 10_000, "deeper"),
        (b'"\\ud800"', "surrogate"),
        (b'{"a": ["\\udfff"]}', "surrogate"),
        (b'{"\\udc00": 1}', "surrogate"),
        (b"9" * 5_000, "not JSON"),
    ],
)
def test_what_is_not_json_by_the_letter_is_refused(raw: bytes, word: str) -> None:
    with pytest.raises(Malformed, match=word):
        check_json(raw)


@given(st.binary(max_size=40))
def test_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    with suppress(Malformed):
        check_json(raw)
