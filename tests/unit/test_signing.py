"""Signatures of both kinds, verified by others' code, and secrets as text."""

from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.signing import (
    format_secret,
    parse_secret,
    public_key_of,
    sign,
    sign_ed25519,
    signed_headers,
)
from streams.clock import system_clock
from streams.domain.errors import Malformed
from streams.domain.signing import Signing, SigningKey

SECRET = bytes(range(32))
BODY = '{"type":"invoice.paid","name":"山田"}'.encode()


KEY, ED25519 = SigningKey(SECRET), SigningKey(SECRET, Signing.V1A)


def headers(signature: str, timestamp_seconds: int) -> dict[str, str]:
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": signature,
    }


def test_the_published_example_of_the_standard_is_signed_alike() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_official_library_accepts_a_signature_and_refuses_every_change() -> None:
    timestamp = int(system_clock().timestamp())
    good = headers(sign(SECRET, "evt_1", timestamp, BODY), timestamp)
    receiver = Webhook(format_secret(SECRET))

    assert receiver.verify(BODY, good) == {"type": "invoice.paid", "name": "山田"}
    for changed in (
        {**good, "webhook-id": "evt_2"},
        {**good, "webhook-timestamp": str(timestamp + 1)},
        headers(sign(bytes(32), "evt_1", timestamp, BODY), timestamp),
    ):
        with pytest.raises(WebhookVerificationError):
            receiver.verify(BODY, changed)
    with pytest.raises(WebhookVerificationError):
        receiver.verify(BODY + b" ", good)


def test_a_secret_survives_its_text_form() -> None:
    text = format_secret(SECRET)

    assert text.startswith("whsec_")
    assert parse_secret(text) == SECRET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        base64.b64encode(SECRET).decode(),
        "whsec_" + base64.b64encode(SECRET[:31]).decode(),
        "whsec_" + base64.b64encode(SECRET + b"x").decode(),
        "whsec_" + base64.b64encode(SECRET).decode()[:-1],
        "whsec_" + "*" * 44,
        "whsec_" + "é" * 44,
    ],
)
def test_what_is_not_a_secret_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_secret(text)

    assert len(text) < 8 or text[6:] not in str(refused.value)


# --- ed25519

PUBLISHED_PRIVATE = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
PUBLISHED_PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def verify(public_key: str, signature: str, signed: bytes) -> None:
    """As a receiver does it; raises `InvalidSignature`."""
    version, _, text = signature.partition(",")
    assert version == "v1a"
    raw = base64.b64decode(public_key.removeprefix("whpk_"), validate=True)
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(text, validate=True), signed)


def test_the_public_key_is_that_of_the_published_example() -> None:
    text = public_key_of(bytes.fromhex(PUBLISHED_PRIVATE))

    assert text.startswith("whpk_")
    assert base64.b64decode(text.removeprefix("whpk_")).hex() == PUBLISHED_PUBLIC


def test_the_public_key_verifies_a_signature_and_refuses_every_change() -> None:
    signature = sign_ed25519(SECRET, "evt_1", 1_700_000_000, BODY)
    public_key = public_key_of(SECRET)

    verify(public_key, signature, b"evt_1.1700000000." + BODY)
    for changed in (b"evt_2.1700000000." + BODY, b"evt_1.1700000001." + BODY, b"evt_1.1700000000."):
        with pytest.raises(InvalidSignature):
            verify(public_key, signature, changed)
    other = public_key_of(bytes(32))
    with pytest.raises(InvalidSignature):
        verify(other, signature, b"evt_1.1700000000." + BODY)


def test_each_key_signs_once_in_its_order_and_the_official_library_finds_its_own() -> None:
    timestamp = int(system_clock().timestamp())

    signed = signed_headers((ED25519, KEY), "evt_1", timestamp, BODY)

    ways = [each.split(",")[0] for each in signed["webhook-signature"].split(" ")]
    assert ways == ["v1a", "v1"]
    assert Webhook(format_secret(SECRET)).verify(BODY, signed)


def test_a_key_does_not_show_its_secret() -> None:
    assert repr(SECRET) not in repr(KEY)
    assert "secret" not in repr(KEY)
