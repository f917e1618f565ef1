"""A channel format: a file in `connectors/channels/` that ends in `CHANNEL = Channel(...)`."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from connectors.keeping import keep_text
from streams.domain.errors import Malformed
from streams.domain.ids import AccountId, MerchantId, NoticeId
from streams.domain.masking import mask_card_numbers
from streams.domain.notice import AMOUNT_YEN_MAX, ChannelKind, Notice

JAPAN = timezone(timedelta(hours=9), "JST")
TIME_DIGITS = re.compile(r"[0-9]{8}(?:[0-9]{4}(?:[0-9]{2})?)?")
AMOUNT_DIGITS = re.compile(r"[0-9]{1,10}")
FREE_TEXT_CHARACTERS_MAX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A channel account as its format needs it, with its configuration in the clear."""

    account_id: AccountId
    merchant_id: MerchantId
    channel: ChannelKind
    format: str
    config: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """What a provider sent; header names in lower case."""

    body: bytes
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the provider expects to hear, byte for byte."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigField:
    """One member of an account's configuration; `pattern` must match all of its value."""

    name: str
    meaning: str
    pattern: str
    secret: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One notice of a channel's file with the raw bytes of its line."""

    notice: Notice
    raw: bytes
    line: int


Answer = Callable[[str], Reply | None]
"""From a reason to the provider's answer; None leaves it to the API's own problem document."""


Keep = Callable[[bytes, Mapping[str, str]], bytes]
"""From a body and the account's configuration to what may be stored of the body."""


def keep_as_text(raw: bytes, _: Mapping[str, str]) -> bytes:
    """The body of a format that holds no secret and nothing exact that a card number can be."""
    return keep_text(raw)


def as_it_is(reply: Reply, _: Incoming) -> Reply:
    """The answer of a format that says the same to every request."""
    return reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A format: how to trust it, how to read it, how to answer it. No I/O, no clock.

    `authenticate` raises `NotAuthentic`; it is called with the current configuration and, during
    a rotation, with the previous one. `parse` raises `Malformed`; it returns no notice for what
    says nothing about money. `parse_file` reads a whole file or raises `Malformed` with line and
    column. `canonical_reference` brings a reference into the form in which this format's
    notices give it, or raises `Malformed`. `fit` is applied to every reply before it is sent:
    some providers want to see in the answer which request it is for; it never raises.
    `keep` masks card numbers and secrets field by field before a body is stored; what `parse`
    reads a notice from stays exact, and it never raises either.
    """

    name: str
    config: tuple[ConfigField, ...]
    content_types: frozenset[str]
    authenticate: Callable[[Incoming, Mapping[str, str]], None]
    parse: Callable[[Incoming, Account], tuple[Notice, ...]]
    canonical_reference: Callable[[str], str]
    accepted: Callable[[NoticeId | None, bool], Reply]
    not_authentic: Answer
    unreadable: Answer
    unavailable: Answer
    parse_file: Callable[[bytes, Account], tuple[FileRecord, ...]] | None = None
    fit: Callable[[Reply, Incoming], Reply] = as_it_is
    keep: Keep = keep_as_text


def japan_time(digits: str, *, name: str = "the time") -> datetime:
    """YYYYMMDD, with HHMM or HHMMSS where known, on a Japanese clock; a bare date is its start."""
    if not TIME_DIGITS.fullmatch(digits):
        raise Malformed(f"{name} must have 8, 12 or 14 digits")
    padded = digits.ljust(14, "0")
    parts = [int(padded[:4]), *(int(padded[at : at + 2]) for at in range(4, 14, 2))]
    year, month, day, hour, minute, second = parts
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=JAPAN).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed(f"{name} is not a date or time that exists") from None


def is_japan_time(digits: str) -> bool:
    """Whether it is a time of this century, as no card number is one."""
    if not digits.startswith("20"):
        return False
    try:
        japan_time(digits)
    except Malformed:
        return False
    return True


def yen(digits: str, *, least: int = 1, name: str = "the amount") -> int:
    """An amount as formats of text fields write it: digits alone, in no other script."""
    if not AMOUNT_DIGITS.fullmatch(digits) or int(digits) < least:
        raise Malformed(f"{name} must be digits that say {least} to {AMOUNT_YEN_MAX} yen")
    return int(digits)


def free_text(text: str) -> str:
    """What a channel says in its own words, as a notice may carry it: short, and no card number."""
    return mask_card_numbers(text)[:FREE_TEXT_CHARACTERS_MAX]


def load_channels() -> dict[str, Channel]:
    """Every format in `connectors/channels/`, by name."""
    package = importlib.import_module("connectors.channels")
    found: dict[str, Channel] = {}
    for module in pkgutil.iter_modules(package.__path__):
        channel = importlib.import_module(f"{package.__name__}.{module.name}").CHANNEL
        assert isinstance(channel, Channel)
        assert channel.name not in found, f"two formats are named {channel.name}"
        found[channel.name] = channel
    return found
