"""What a channel format is: one file in `connectors/channels/` that ends in `CHANNEL = Channel(...)`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streams.domain.ids import AccountId, MerchantId, NoticeId
from streams.domain.notice import ChannelKind, Notice


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A format: how to trust it, how to read it, how to answer it. No I/O, no clock.

    `authenticate` raises `NotAuthentic`; it is called with the current configuration and, during
    a rotation, with the previous one. `parse` raises `Malformed`; it returns no notice for what
    says nothing about money. `parse_file` reads a whole file or raises `Malformed` with line and
    column. `canonical_reference` brings a reference into the form in which this format's
    notices give it, or raises `Malformed`.
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
