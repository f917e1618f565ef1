"""Verifies keshikomi's webhooks (Standard Webhooks 1.0.0): copy this file, it needs no other."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

TOLERANCE_SECONDS = 300
"""So far the sender's clock and yours may differ, in both directions."""
SIGNATURES_CHARACTERS_MAX = 4_096
SECRET_PREFIX = "whsec_"  # noqa: S105  # the public mark of a secret, not a secret
PUBLIC_KEY_PREFIX = "whpk_"
PUBLIC_KEY_BYTES = 32
ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
SECONDS = re.compile(r"[0-9]{1,12}")


class VerificationError(Exception):
    """This request is not, or not now, what keshikomi signed: answer 401 and do nothing."""


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str],
    now: datetime | None = None,
) -> str:
    """Return the `webhook-id` of a request that is genuine.

    `body` is the raw bytes as they came, before anything parsed them; names in `headers` may be
    in any case; `secrets` are all that are valid now, two or more while you rotate: `whsec_...`
    for `v1`, and `whpk_...` for `v1a`, which takes the package `cryptography`.

    Raises:
        VerificationError: the request is not genuine, whatever is wrong with it.
        ValueError: your own configuration is wrong: a secret, or a `now` without a time zone.
    """
    keys = [_key(secret) for secret in secrets]
    if not keys:
        raise ValueError("there is no secret to verify with")
    webhook_id = _one(headers, "webhook-id", ID)
    sent_at = _one(headers, "webhook-timestamp", SECONDS)
    signatures = _one(headers, "webhook-signature", None).encode().split(b" ")
    _check_time(int(sent_at), now or datetime.now(UTC))
    signed = b".".join((webhook_id.encode(), sent_at.encode(), body))
    checks = [_check(prefix, key, signed) for prefix, key in keys]
    matches = [is_right(signature) for is_right in checks for signature in signatures]
    if not any(matches):
        raise VerificationError("no signature in webhook-signature is right")
    return webhook_id


def _key(secret: str) -> tuple[str, bytes]:
    """Which kind of key it is, by its prefix, and its bytes."""
    prefix = PUBLIC_KEY_PREFIX if secret.startswith(PUBLIC_KEY_PREFIX) else SECRET_PREFIX
    if not secret.startswith(prefix) or secret == prefix:
        raise ValueError(f"a secret begins with {SECRET_PREFIX} or {PUBLIC_KEY_PREFIX} and goes on")
    try:
        key = base64.b64decode(secret.removeprefix(prefix), validate=True)
    except ValueError:
        raise ValueError(f"what follows {prefix} in a secret is base64") from None
    if prefix == PUBLIC_KEY_PREFIX and len(key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"what follows {prefix} has {PUBLIC_KEY_BYTES} bytes")
    return prefix, key


def _one(headers: Mapping[str, str], name: str, form: re.Pattern[str] | None) -> str:
    """The one header of this name, checked; a repeated one could be read in two ways."""
    values = [value for given, value in headers.items() if given.lower() == name]
    if len(values) != 1 or not values[0]:
        raise VerificationError(f"{name} must be there once, and not empty")
    value = values[0]
    if len(value) > SIGNATURES_CHARACTERS_MAX or not value.isascii():
        raise VerificationError(f"{name} is too long or not ASCII")
    if form and not form.fullmatch(value):
        raise VerificationError(f"{name} is malformed")
    return value


def _check_time(sent_at: int, now: datetime) -> None:
    if now.tzinfo is None:
        raise ValueError("now must have a time zone, such as datetime.now(UTC)")
    late_seconds = now.timestamp() - sent_at
    if late_seconds > TOLERANCE_SECONDS:
        raise VerificationError("webhook-timestamp is too old")
    if late_seconds < -TOLERANCE_SECONDS:
        raise VerificationError("webhook-timestamp is too new; is this machine's clock right?")


def _check(prefix: str, key: bytes, signed: bytes) -> Callable[[bytes], bool]:
    """What says of a signature whether this key made it; a key never serves another scheme."""
    if prefix == PUBLIC_KEY_PREFIX:
        return _check_v1a(key, signed)
    # Compared as text: base64 of a stranger is never decoded, so it cannot be malformed.
    right = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    return lambda signature: hmac.compare_digest(signature, right)


def _check_v1a(key: bytes, signed: bytes) -> Callable[[bytes], bool]:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # v1 does without it
    from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  # v1 does without

    public = ed25519.Ed25519PublicKey.from_public_bytes(key)

    def is_right(signature: bytes) -> bool:
        version, _, text = signature.partition(b",")
        if version != b"v1a":
            return False
        try:
            public.verify(base64.b64decode(text, validate=True), signed)
        except (InvalidSignature, ValueError):
            return False
        return True

    return is_right
