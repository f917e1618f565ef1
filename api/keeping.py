"""What is kept of a raw notice: all of it, but no card number and no secret of the account."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import quote, quote_plus

from connectors.channel import Account, Channel
from streams.domain.errors import RemoteError
from streams.domain.masking import mask_card_numbers

ENCODINGS = ("utf-8", "cp932", "latin-1")
"""In this order; every byte is something in the last one."""
MASK = b"*"
SECRETS_KNOWN_MAX = 4_096


def kept_raw(
    raw: bytes, *, account: Account, channel: Channel, reads_the_same: Callable[[bytes], bool]
) -> bytes:
    """The raw bytes for history, masked where that does not change what they say."""
    for masked in (mask_raw(raw, account, channel), _without_secrets(raw, account, channel)):
        if masked == raw or _same(masked, reads_the_same):
            return masked
    return raw


def mask_raw(raw: bytes, account: Account, channel: Channel) -> bytes:
    """The raw bytes with every secret of the account and every card number masked."""
    return _without_cards(_without_secrets(raw, account, channel))


def _same(masked: bytes, reads_the_same: Callable[[bytes], bool]) -> bool:
    try:
        return reads_the_same(masked)
    except RemoteError:
        return False


def _without_secrets(raw: bytes, account: Account, channel: Channel) -> bytes:
    # A form carries its password with it, as it is or percent-encoded.
    for field in channel.config:
        value = account.config.get(field.name)
        if field.secret and value:
            for written in _written(value):
                raw = raw.replace(written, MASK * len(written))
    return raw


@lru_cache(maxsize=SECRETS_KNOWN_MAX)
def _written(secret: str) -> frozenset[bytes]:
    """How a secret may stand in a body."""
    return frozenset(text.encode() for text in (secret, quote(secret, safe=""), quote_plus(secret)))


def _without_cards(raw: bytes) -> bytes:
    for encoding in ENCODINGS:
        try:
            text = raw.decode(encoding)
            # Not every CP932 text is the same bytes again.
            if text.encode(encoding) == raw:
                return mask_card_numbers(text).encode(encoding)
        except UnicodeError:
            continue
    raise AssertionError("latin-1 takes every byte")
