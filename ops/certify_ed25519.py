"""Attacks of `keshikomi certify` on what a receiver makes of ed25519 signatures, `v1a`."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace

from connectors.signing import PUBLIC_KEY_PREFIX, SECRET_BYTES, public_key_of
from ops import certify_advice as advice
from ops.certify_requests import Attack, changed_header, longer_body, refused, signed, taken
from ops.certify_webhooks import Webhook
from streams.domain.signing import Signing, SigningKey

ALONE = "ed25519 alone (v1a)"
SIGNATURE = "webhook-signature"
NOTHING = "v1a," + base64.b64encode(bytes(64)).decode()
STALE_SECONDS = 600

Tell = Callable[[], Webhook]
"""Makes a webhook of an invoice that nothing else is about."""


def ed25519_attacks(
    *, v1: SigningKey | None, v1a: SigningKey | None, genuine: Tell, forged: Tell
) -> Iterator[Attack]:
    """What must hold of any receiver, and then what must of one that verifies `v1`, or `v1a`."""
    stranger = SigningKey(secrets.token_bytes(SECRET_BYTES), Signing.V1A)
    yield refused("v1a of a stranger, alone", advice.V1A_FORGED, signed(forged(), stranger))
    for name, text in (("of zeros", NOTHING), ("that is not base64", "v1a,%%%")):
        make = changed_header(signed(forged(), stranger), SIGNATURE, _instead(text))
        yield refused(f"v1a {name}", advice.V1A_FORGED, make)
    if v1 is not None:
        yield from _beside_v1(v1, stranger, genuine, forged)
    if v1a is not None:
        yield from _of_v1a(v1a, stranger, genuine, forged)
    if v1 is not None and v1a is not None:
        both = signed(genuine(), v1a, v1)
        yield taken("v1a and v1, both right", advice.V1A_BESIDE, both)


def _beside_v1(
    v1: SigningKey, stranger: SigningKey, genuine: Tell, forged: Tell
) -> Iterator[Attack]:
    makes = signed(genuine(), stranger, v1), signed(genuine(), v1, stranger)
    yield taken("a right v1 beside v1a of a stranger", advice.V1A_BESIDE, *makes)
    hidden = changed_header(signed(forged(), v1), SIGNATURE, _called("v1a"))
    yield refused("the signature of v1, called v1a", advice.V1A_CONFUSED, hidden)


def _of_v1a(v1a: SigningKey, stranger: SigningKey, genuine: Tell, forged: Tell) -> Iterator[Attack]:
    public = public_key_of(v1a.secret)
    yield taken(ALONE, _verify_with(public), signed(genuine(), v1a))
    foreign = SigningKey(secrets.token_bytes(SECRET_BYTES))
    makes = signed(genuine(), foreign, v1a), signed(genuine(), stranger, v1a)
    old = signed(forged(), v1a, late_seconds=STALE_SECONDS)
    for attack in (
        taken("a right v1a beside a wrong signature", advice.ROTATION, *makes),
        refused("v1a of a changed body", advice.RAW, longer_body(signed(forged(), v1a))),
        refused("v1a with an old timestamp", advice.STALE, old),
    ):
        yield replace(attack, needs=ALONE)
    called = changed_header(signed(forged(), v1a), SIGNATURE, _called("v1"))
    yield refused("the signature of v1a, called v1", advice.V1A_CONFUSED, called)
    encoded = public.removeprefix(PUBLIC_KEY_PREFIX)
    known = (base64.b64decode(encoded), encoded.encode(), public.encode())
    confused = (signed(forged(), SigningKey(secret)) for secret in known)
    yield refused("v1 by the public key as its secret", advice.V1A_CONFUSED, *confused)


def _verify_with(public_key: str) -> str:
    return (
        f"Verify `v1a` signatures by ed25519 with {public_key}, the public key of --private-key;"
        " take it out again when you are done."
    )


def _instead(text: str) -> Callable[[str], str]:
    return lambda _: text


def _called(version: str) -> Callable[[str], str]:
    """The signature under another version."""
    return lambda right: f"{version},{right.partition(',')[2]}"
