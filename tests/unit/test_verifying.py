"""The verifier that merchants copy, and the published vectors that every verifier is tried on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keshikomi_webhooks import VerificationError, verify
from multidict import CIMultiDict
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.signing import format_secret, sign, sign_ed25519
from streams.clock import system_clock
from tests.signature_vectors import BODY, CURRENT, ID, NOW, ODD_IDS, PATH, Maker, Vector, file_text

MAKER = Maker(NOW)
AT = datetime.fromtimestamp(NOW, UTC)
SECRETS = [format_secret(CURRENT)]
GENUINE = MAKER.vector("genuine", "")["headers"]
STRICTER = {"a signature: far too many", *(f"an id: {what}" for what in ODD_IDS)}
"""What the official library takes, as it is signed; ours never looks so."""
TOO_OLD_SECONDS = 301


def name_of(vector: Vector) -> str:
    return str(vector["name"])


def is_taken(vector: Vector) -> bool:
    now = datetime.fromtimestamp(vector["now"], UTC)
    try:
        taken = verify(vector["body"].encode(), vector["headers"], vector["secrets"], now)
    except VerificationError:
        return False
    assert taken == ID
    return True


def is_taken_officially(vector: Vector) -> bool:
    for secret in vector["secrets"]:
        try:
            Webhook(secret).verify(vector["body"], vector["headers"], json_parse=False)
        except (WebhookVerificationError, ValueError):  # what it cannot read, it does not catch
            continue
        return True
    return False


def test_the_published_file_is_what_its_maker_makes() -> None:
    assert PATH.read_text("utf-8") == file_text(), "run `python -m tests.signature_vectors`"


def test_vectors_have_names_of_their_own_and_of_both_kinds() -> None:
    vectors = [*MAKER.all(), *MAKER.of_v1a()]

    assert all(vector["reason"] for vector in vectors)
    assert len({vector["name"] for vector in vectors}) == len(vectors)
    assert {vector["valid"] for vector in vectors} == {True, False}


def test_vectors_are_signed_as_the_product_signs() -> None:
    assert MAKER.signature() == sign(CURRENT, ID, NOW, BODY.encode())
    assert MAKER.v1a() == sign_ed25519(CURRENT, ID, NOW, BODY.encode())


@pytest.mark.parametrize("vector", [*MAKER.all(), *MAKER.of_v1a()], ids=name_of)
def test_a_vector_is_taken_exactly_when_it_is_valid(vector: Vector) -> None:
    assert is_taken(vector) is vector["valid"]


def test_the_official_library_judges_the_vectors_alike() -> None:
    present = int(system_clock().timestamp())  # the library has no other clock
    vectors = [
        vector
        for sent_at in (present, present - TOO_OLD_SECONDS)
        for vector in Maker(sent_at).all()
        if vector["now"] == present
    ]

    differing = {
        name_of(vector) for vector in vectors if is_taken_officially(vector) is not vector["valid"]
    }

    assert "too old" in map(name_of, vectors)
    assert differing == STRICTER


@pytest.mark.parametrize("name", sorted(GENUINE))
@given(text=st.text(max_size=60))
def test_whatever_a_header_says_the_answer_is_a_verification_error(name: str, text: str) -> None:
    if text == GENUINE[name]:
        return

    with pytest.raises(VerificationError):
        verify(BODY.encode(), {**GENUINE, name: text}, SECRETS, AT)


@pytest.mark.parametrize("name", sorted(GENUINE))
def test_a_byte_that_is_no_text_is_a_verification_error_too(name: str) -> None:
    undecoded = GENUINE[name] + b"\xe9".decode("utf-8", "surrogateescape")  # as servers hand it on

    with pytest.raises(VerificationError, match=name):
        verify(BODY.encode(), {**GENUINE, name: undecoded}, SECRETS, AT)


@given(body=st.binary(max_size=200))
def test_a_body_is_any_bytes(body: bytes) -> None:
    headers = {**GENUINE, "webhook-signature": sign(CURRENT, ID, NOW, body)}

    assert verify(body, headers, SECRETS, AT) == ID
    with pytest.raises(VerificationError):
        verify(body + b" ", headers, SECRETS, AT)


@pytest.mark.parametrize("name", sorted(GENUINE))
def test_a_header_that_came_twice_is_refused(name: str) -> None:
    headers = CIMultiDict(GENUINE)
    headers.add(name, GENUINE[name])

    with pytest.raises(VerificationError, match=name):
        verify(BODY.encode(), headers, SECRETS, AT)


@pytest.mark.parametrize(
    ("secrets", "now", "said"),
    [
        ([], AT, "no secret"),
        (["whsec_"], AT, "begins with whsec_"),
        (["AAECAwQFBgcICQoL"], AT, "begins with whsec_"),
        (["whsec_%%%"], AT, "base64"),
        (["whpk_"], AT, "begins with whsec_ or whpk_"),
        (["whpk_%%%"], AT, "base64"),
        (["whpk_AAAA"], AT, "32 bytes"),
        (SECRETS, AT.replace(tzinfo=None), "time zone"),
    ],
)
def test_a_wrong_configuration_is_not_taken_for_a_forgery(
    secrets: list[str], now: datetime, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        verify(BODY.encode(), GENUINE, secrets, now)

    assert not any(secret in str(caught.value) for secret in secrets if secret[-1] != "_")


def test_without_a_clock_of_its_own_the_present_counts() -> None:
    seconds = int(system_clock().timestamp())
    fresh = Maker(seconds).vector("genuine", "")

    assert verify(BODY.encode(), fresh["headers"], SECRETS) == ID
    with pytest.raises(VerificationError, match="too "):
        verify(BODY.encode(), Maker(seconds - 86_400).vector("old", "")["headers"], SECRETS)
