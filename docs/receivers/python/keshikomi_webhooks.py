"""Verifies keshikomi's webhooks (Standard Webhooks 1.0.0): copy this file, it needs no other."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

TOLERANCE_SECONDS = 300
"""So far the sender's clock and yours may differ, in both directions."""
SIGNATURES_CHARACTERS_MAX = 4_096
SECRET_PREFIX = "whsec_"  # noqa: S105  # the public mark of a secret, not a secret
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
    in any case; `secrets` are all `whsec_...` that are valid now, two or more while you rotate.

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
    matches = [
        hmac.compare_digest(signature, _signature(key, signed))
        for key in keys
        for signature in signatures
    ]
    if not any(matches):
        raise VerificationError("no signature in webhook-signature is right")
    return webhook_id


def _key(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX) or secret == SECRET_PREFIX:
        raise ValueError(f"a secret begins with {SECRET_PREFIX} and goes on after it")
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"what follows {SECRET_PREFIX} in a secret is base64") from None


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


def _signature(key: bytes, signed: bytes) -> bytes:
    # Compared as text: base64 of a stranger is never decoded, so it cannot be malformed.
    return b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
