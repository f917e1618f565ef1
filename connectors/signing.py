"""Signs by Standard Webhooks 1.0.0: with a secret that is shared, or with an ed25519 key."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from streams.domain.errors import Malformed
from streams.domain.signing import Signing, SigningKey

SECRET_PREFIX = "whsec_"  # noqa: S105  # the public mark of a secret, not a secret
PUBLIC_KEY_PREFIX = "whpk_"
PRIVATE_KEY_PREFIX = "whsk_"
SECRET_BYTES = 32
"""Of both kinds: the secret of HMAC-SHA256, and the private key of ed25519."""


def parse_secret(text: str) -> bytes:
    """The bytes of a `whsec_...` secret; raises `Malformed`, which never shows it."""
    return _parsed(text, SECRET_PREFIX, "signing secret")


def parse_private_key(text: str) -> bytes:
    """The bytes of a `whsk_...` key of ed25519; raises `Malformed`, which never shows it."""
    return _parsed(text, PRIVATE_KEY_PREFIX, "private key")


def _parsed(text: str, prefix: str, what: str) -> bytes:
    if not text.startswith(prefix):
        raise Malformed(f"a {what} begins with {prefix}")
    try:
        secret = base64.b64decode(text.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"the {what} is not base64") from None
    if len(secret) != SECRET_BYTES:
        raise Malformed(f"a {what} has {SECRET_BYTES} bytes")
    return secret


def format_secret(secret: bytes) -> str:
    """A signing secret as text, as merchants see it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def public_key_of(private_key: bytes) -> str:
    """What the signatures of an ed25519 key are verified with, as text."""
    public = Ed25519PrivateKey.from_private_bytes(private_key).public_key()
    return PUBLIC_KEY_PREFIX + base64.b64encode(public.public_bytes_raw()).decode()


def sign(secret: bytes, webhook_id: str, timestamp_seconds: int, body: bytes) -> str:
    """The signature `v1,<base64>` of one attempt: HMAC-SHA256."""
    signature = hmac.digest(secret, _signed(webhook_id, timestamp_seconds, body), "sha256")
    return "v1," + base64.b64encode(signature).decode()


def sign_ed25519(private_key: bytes, webhook_id: str, timestamp_seconds: int, body: bytes) -> str:
    """The signature `v1a,<base64>` of one attempt: ed25519."""
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    signature = key.sign(_signed(webhook_id, timestamp_seconds, body))
    return "v1a," + base64.b64encode(signature).decode()


def _signed(webhook_id: str, timestamp_seconds: int, body: bytes) -> bytes:
    return b"%s.%d.%s" % (webhook_id.encode(), timestamp_seconds, body)


SIGN = {Signing.V1: sign, Signing.V1A: sign_ed25519}


def signed_headers(
    keys: Sequence[SigningKey], webhook_id: str, timestamp_seconds: int, body: bytes
) -> dict[str, str]:
    """The three headers of an attempt; one signature for each key, in their order."""
    signatures = (
        SIGN[key.signing](key.secret, webhook_id, timestamp_seconds, body) for key in keys
    )
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": " ".join(signatures),
    }
