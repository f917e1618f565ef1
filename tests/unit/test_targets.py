"""What is sealed in an endpoint's record opens for its attempts, in its own place alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connectors.sealing import Sealer
from connectors.targets import Targets, new_secret, open_headers, open_target, seal_headers
from streams.domain.delivery import Endpoint
from streams.domain.errors import CorruptState
from streams.domain.ids import EndpointId
from streams.domain.signing import Signing, SigningKey, rotated
from tests.builders import ENDPOINT, NOW, an_endpoint

SEALER = Sealer([b"m" * 32])
SECRET, OLD_SECRET = bytes(range(32)), bytes(range(1, 33))
HEADERS = {"Authorization": "Bearer 1234", "X-Shop": "tokyo"}


def a_sealed_endpoint() -> Endpoint:
    """One whose ed25519 key took over from the secret of a record of before rotation."""
    old = an_endpoint(sealed_secret=SEALER.seal(OLD_SECRET, ENDPOINT))
    new = new_secret(SEALER, SECRET, Signing.V1A, endpoint_id=ENDPOINT, secret_id="sec_1", at=NOW)
    secrets = rotated(old.secrets_at(NOW), new, now=NOW, overlap=timedelta(days=1))
    return replace(
        old.tidied(NOW),
        secrets=secrets,
        sealed_headers=seal_headers(SEALER, HEADERS, ENDPOINT),
        timeout_seconds=7,
    )


def test_an_attempt_has_every_good_key_the_headers_and_its_time() -> None:
    endpoint = a_sealed_endpoint()

    during = open_target(SEALER, endpoint, NOW)
    after = open_target(SEALER, endpoint, NOW + timedelta(days=1))

    newest = SigningKey(SECRET, Signing.V1A)
    assert during.keys == [newest, SigningKey(OLD_SECRET, Signing.V1)]
    assert after.keys == [newest]
    assert (during.url, during.headers, during.timeout_seconds) == (endpoint.url, HEADERS, 7)


def test_nothing_secret_shows_in_what_is_kept_or_in_what_is_opened() -> None:
    endpoint = a_sealed_endpoint()
    target = open_target(SEALER, endpoint, NOW)

    for text in (repr(endpoint), repr(target)):
        assert "1234" not in text
        assert "tokyo" not in text
        assert repr(SECRET) not in text


def test_a_secret_does_not_open_in_the_place_of_headers_nor_for_another_endpoint() -> None:
    endpoint = a_sealed_endpoint()

    with pytest.raises(CorruptState):
        open_headers(SEALER, replace(endpoint, sealed_headers=endpoint.secrets[0].sealed))
    moved = replace(endpoint.secrets[0], sealed=endpoint.sealed_headers)
    with pytest.raises(CorruptState):
        open_target(SEALER, replace(endpoint, secrets=(moved,)), NOW)
    with pytest.raises(CorruptState):
        open_target(SEALER, replace(endpoint, endpoint_id=EndpointId("ep_other")), NOW)


def test_an_endpoint_that_was_opened_stays_so_until_it_or_its_secrets_change() -> None:
    endpoint, targets = a_sealed_endpoint(), Targets(SEALER, endpoints_max=1)

    first = targets.open(endpoint, NOW)

    assert targets.open(endpoint, NOW + timedelta(hours=23)) is first
    assert targets.open(endpoint, NOW + timedelta(days=1)).keys == first.keys[:1]
    changed = replace(endpoint, timeout_seconds=8)
    assert targets.open(changed, NOW).timeout_seconds == 8
    assert targets.open(endpoint, NOW) is not first
