"""Bytes to values and back: strict when reading, orjson when writing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import Discriminator, TypeAdapter, ValidationError

from streams.domain.delivery import Delivery, Endpoint
from streams.domain.errors import CorruptState, KeshikomiError, Malformed
from streams.domain.invoice import Invoice, InvoiceTerms
from streams.domain.resolution import ReferenceRow
from streams.domain.sequence import Counter
from streams.happenings import (
    HistoryMessage,
    Quarantined,
)
from streams.installations import Installation
from streams.messages import (
    DirectoryMessage,
    InvoiceMessage,
    NotificationMessage,
    ReferenceMessage,
)

T = TypeVar("T")

JSON_DEPTH_MAX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    terms: InvoiceTerms


def encode(value: object) -> bytes:
    """A value as JSON; times in UTC with `Z`."""
    # orjson keeps a page of memory behind each result; what stays in tables must not.
    return bytes(bytearray(orjson.dumps(value, option=orjson.OPT_UTC_Z)))


def _decoder(adapter: TypeAdapter[T], fault: type[KeshikomiError]) -> Callable[[bytes], T]:
    validate = adapter.validate_json

    def decode(data: bytes) -> T:
        try:
            return validate(data, strict=True)
        except ValidationError as error:
            raise fault(_first_fault(error)) from None

    return decode


def _tagged(union: Any) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[union, Discriminator("type")])


def _first_fault(error: ValidationError) -> str:
    # Never the input itself: it may hold a secret or a name.
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'/'.join(str(part) for part in fault['loc'])}: {fault['msg']}"


# What cannot be read from a topic is quarantined; what cannot be read from our own tables is our
# bug and stops the process.
decode_reference_message: Callable[[bytes], ReferenceMessage] = _decoder(
    _tagged(ReferenceMessage), Malformed
)
decode_invoice_message: Callable[[bytes], InvoiceMessage] = _decoder(
    _tagged(InvoiceMessage), Malformed
)
decode_notification_message: Callable[[bytes], NotificationMessage] = _decoder(
    _tagged(NotificationMessage), Malformed
)
decode_directory_message: Callable[[bytes], DirectoryMessage] = _decoder(
    _tagged(DirectoryMessage), Malformed
)
decode_archived: Callable[[bytes], HistoryMessage | Quarantined] = _decoder(
    _tagged(HistoryMessage | Quarantined), Malformed
)
decode_installation: Callable[[bytes], Installation] = _decoder(
    TypeAdapter(Installation), CorruptState
)
decode_reference_row: Callable[[bytes], ReferenceRow] = _decoder(
    TypeAdapter(ReferenceRow), CorruptState
)
decode_due: Callable[[bytes], _Due] = _decoder(TypeAdapter(_Due), CorruptState)
"""The terms of an invoice row alone: its journal is the larger part."""
decode_invoice: Callable[[bytes], Invoice] = _decoder(TypeAdapter(Invoice), CorruptState)
decode_endpoints: Callable[[bytes], tuple[Endpoint, ...]] = _decoder(
    TypeAdapter(tuple[Endpoint, ...]), CorruptState
)
decode_delivery: Callable[[bytes], Delivery] = _decoder(TypeAdapter(Delivery), CorruptState)
decode_counter: Callable[[bytes], Counter] = _decoder(TypeAdapter(Counter), CorruptState)
decode_terms: Callable[[bytes], InvoiceTerms] = _decoder(TypeAdapter(InvoiceTerms), CorruptState)


def check_json(data: bytes) -> object:
    """Parse foreign JSON by the letter, or raise `Malformed`.

    Refused: bytes that are not UTF-8, duplicate keys, NaN and Infinity, unpaired surrogates,
    nesting deeper than `JSON_DEPTH_MAX`. Sizes are the caller's to limit.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8 at byte {error.start}") from None
    if text.count("[") + text.count("{") > JSON_DEPTH_MAX:  # fewer cannot be nested so deep
        _check_depth(text)
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Malformed(
            f"not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise Malformed(f"not JSON: {error}") from None
    if "\\u" in text:
        _check_surrogates(value)
    return value


def _check_depth(text: str) -> None:
    depth, inside, escaped = 0, False, False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            if depth > JSON_DEPTH_MAX:
                raise Malformed(f"JSON nested deeper than {JSON_DEPTH_MAX}")
        elif character in "]}":
            depth -= 1


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"the member {json.dumps(twice)} is given twice")
    return value


def _no_constant(name: str) -> object:
    raise Malformed(f"{name} is not a JSON number")


def _check_surrogates(value: object) -> None:
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise Malformed("a string holds an unpaired surrogate")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_surrogates(name)
            _check_surrogates(member)
    elif isinstance(value, list):
        for member in value:
            _check_surrogates(member)
