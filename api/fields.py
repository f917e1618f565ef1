"""The types of single members of requests: what is refused, and where free text is masked."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from streams.domain.acknowledging import ACK_SECONDS_MAX, ACK_SECONDS_MIN
from streams.domain.delivery import (
    OWN_RETRIES_MAX,
    OWN_RETRY_SECONDS_MAX,
    TIMEOUT_SECONDS_MAX,
)
from streams.domain.headers import HEADERS_MAX, fault_of_name, fault_of_value, names_twice
from streams.domain.masking import mask_card_numbers
from streams.domain.notice import AMOUNT_YEN_MAX, REFERENCE_CHARACTERS_MAX
from streams.domain.notification import NotificationType

PAGE_DEFAULT = 50
PAGE_MAX = 250
WAIT_SECONDS_MAX = 30
METADATA_PAIRS_MAX = 50
METADATA_NAME_CHARACTERS_MAX = 40
METADATA_VALUE_CHARACTERS_MAX = 500
NAME_CHARACTERS_MAX = 200
NUMBER_CHARACTERS_MAX = 64
CURSOR_CHARACTERS_MAX = 256
DESCRIPTION_CHARACTERS_MAX = 500
URL_CHARACTERS_MAX = 2_048
TYPES_MAX = 50
OVERLAP_SECONDS_MAX = 604_800
TYPE_PATTERNS = frozenset(
    {"*", *NotificationType, *(f"{kind.partition('.')[0]}.*" for kind in NotificationType)}
)
SEQUENCES = range(1, 10**15)
YEARS = range(2000, 2100)
"""Two digits of a year are all that a slip has."""

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_LIKE_A_TIME = re.compile(r"\d{4}-\d{2}|\d{2}:\d{2}", re.ASCII)
_ID = r"^[A-Za-z0-9_-]{1,64}$"


def _no_control_characters(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
            message = f"the character U+{ord(character):04X} is not allowed"
            raise ValueError(message)
    return text


def _rfc3339(value: Any) -> datetime:
    # Left to itself, pydantic takes "1700000000" for a time as well.
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        message = "a time is a string in RFC 3339 with its offset"
        raise ValueError(message)
    if int(value[:4]) not in YEARS:
        message = f"a time lies in the years {YEARS.start} to {YEARS.stop - 1}"
        raise ValueError(message)
    moment = datetime.fromisoformat(value.upper())
    # Whole milliseconds are what we show, so they are also what we keep.
    whole = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return whole.astimezone(UTC)


def _digits(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value):
        return int(value)
    message = "must be a whole number"
    raise ValueError(message)


def _of_digits(value: Any) -> Any:
    return int(value) if re.fullmatch(r"[0-9]{1,16}", value) else value


def _sequence(value: Any) -> int:
    if type(value) is int and value in SEQUENCES:
        return value
    message = f"must be a number of `sequence`, whole and from 1 to {SEQUENCES[-1]}"
    if isinstance(value, str) and _LIKE_A_TIME.search(value):
        message += (
            "; for a time, GET /v1/deliveries?endpoint_id=... shows created_at beside sequence"
        )
    raise ValueError(message)


def _known_type(pattern: str) -> str:
    if pattern not in TYPE_PATTERNS:
        message = f"unknown type; known are {', '.join(sorted(TYPE_PATTERNS))}"
        raise ValueError(message)
    return pattern


def _own_header_name(name: str) -> str:
    if fault := fault_of_name(name):
        raise ValueError(fault)
    return name


def _own_header_value(value: str) -> str:
    if fault := fault_of_value(value):
        raise ValueError(fault)
    return value


def _no_name_twice(headers: dict[str, str]) -> dict[str, str]:
    if names_twice(headers):
        message = "names that differ in their letters' case alone are one header"
        raise ValueError(message)
    return headers


def _listed(value: Any) -> Any:
    return tuple(part for part in str(value).split(",") if part)


_CLEAN = AfterValidator(_no_control_characters)
_MASKED = AfterValidator(mask_card_numbers)
"""For text for people: a card number in it is masked before it is kept anywhere."""


def _length(characters_max: int, characters_min: int = 1) -> StringConstraints:
    return StringConstraints(min_length=characters_min, max_length=characters_max)


Id = Annotated[str, StringConstraints(pattern=_ID)]
Yen = Annotated[int, Field(ge=1, le=AMOUNT_YEN_MAX)]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
Number = Annotated[str, _length(NUMBER_CHARACTERS_MAX), _CLEAN]
ReferenceText = Annotated[str, _length(REFERENCE_CHARACTERS_MAX), _CLEAN]
Name = Annotated[str, _length(NAME_CHARACTERS_MAX), _CLEAN, _MASKED]
Description = Annotated[str, _length(DESCRIPTION_CHARACTERS_MAX, 0), _CLEAN, _MASKED]
Reason = Annotated[str, _length(DESCRIPTION_CHARACTERS_MAX), _CLEAN, _MASKED]
MetadataName = Annotated[str, _length(METADATA_NAME_CHARACTERS_MAX), _CLEAN, _MASKED]
MetadataValue = Annotated[str, _length(METADATA_VALUE_CHARACTERS_MAX, 0), _CLEAN, _MASKED]
Url = Annotated[str, _length(URL_CHARACTERS_MAX)]
Cursor = Annotated[str, _length(CURSOR_CHARACTERS_MAX), _CLEAN]
# The type that is described has the limits inside: beside it they would not be JSON Schema.
_PAGE = Annotated[int, Field(ge=1, le=PAGE_MAX)]
PageLimit = Annotated[_PAGE, BeforeValidator(_digits, json_schema_input_type=_PAGE)]
_WAIT = Annotated[int, Field(ge=0, le=WAIT_SECONDS_MAX)]
WaitSeconds = Annotated[_WAIT, BeforeValidator(_digits, json_schema_input_type=_WAIT)]
_SEQUENCE = Annotated[int, Field(ge=1, lt=SEQUENCES.stop)]
SequenceNumber = Annotated[int, BeforeValidator(_sequence, json_schema_input_type=_SEQUENCE)]
SequenceInQuery = Annotated[
    SequenceNumber, BeforeValidator(_of_digits, json_schema_input_type=_SEQUENCE)
]
TypePattern = Annotated[str, AfterValidator(_known_type)]
TypePatterns = Annotated[tuple[TypePattern, ...], Field(max_length=TYPES_MAX)]
TypesInQuery = Annotated[
    tuple[TypePattern, ...], BeforeValidator(_listed, json_schema_input_type=str)
]
OwnHeaders = Annotated[
    dict[
        Annotated[str, AfterValidator(_own_header_name)],
        Annotated[str, AfterValidator(_own_header_value)],
    ],
    Field(max_length=HEADERS_MAX),
    AfterValidator(_no_name_twice),
]
OverlapSeconds = Annotated[int, Field(ge=0, le=OVERLAP_SECONDS_MAX)]
AckSeconds = Annotated[int, Field(ge=ACK_SECONDS_MIN, le=ACK_SECONDS_MAX)]
TimeoutSeconds = Annotated[int, Field(ge=1, le=TIMEOUT_SECONDS_MAX)]
RetrySeconds = Annotated[
    tuple[Annotated[int, Field(ge=1, le=OWN_RETRY_SECONDS_MAX)], ...],
    Field(max_length=OWN_RETRIES_MAX),
]
