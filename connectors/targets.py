"""What is sealed in an endpoint's record: made when it is asked for, opened when it is sent to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from connectors.sealing import Sealer
from connectors.signing import public_key_of
from streams.domain.delivery import Endpoint, Target
from streams.domain.ids import EndpointId
from streams.domain.signing import Signing, SigningKey, SigningSecret

OPENED_MAX = 4_096


def new_secret(
    sealer: Sealer,
    secret: bytes,
    signing: Signing,
    *,
    endpoint_id: EndpointId,
    secret_id: str,
    at: datetime,
) -> SigningSecret:
    """A secret of 32 bytes as it is kept, with its public key where it has one."""
    return SigningSecret(
        secret_id=secret_id,
        sealed=sealer.seal(secret, endpoint_id),
        created_at=at,
        signing=signing,
        public_key=public_key_of(secret) if signing is Signing.V1A else "",
    )


def seal_headers(sealer: Sealer, headers: Mapping[str, str], endpoint_id: EndpointId) -> str:
    """The merchant's own headers as they are kept: all of them, as one may be a password."""
    if not headers:
        return ""
    return sealer.seal(json.dumps(headers).encode(), _owner_of_headers(endpoint_id))


def open_headers(sealer: Sealer, endpoint: Endpoint) -> dict[str, str]:
    """The merchant's own headers in the clear; raises `CorruptState`."""
    if not endpoint.sealed_headers:
        return {}
    plain = sealer.unseal(endpoint.sealed_headers, _owner_of_headers(endpoint.endpoint_id))
    headers: dict[str, str] = json.loads(plain)
    return headers


def open_target(sealer: Sealer, endpoint: Endpoint, now: datetime) -> Target:
    """An endpoint with all that an attempt at `now` needs unsealed; raises `CorruptState`."""
    return Target(
        url=endpoint.url,
        keys=[
            SigningKey(sealer.unseal(kept.sealed, endpoint.endpoint_id), kept.signing)
            for kept in endpoint.secrets_at(now)
        ],
        headers=open_headers(sealer, endpoint),
        timeout_seconds=endpoint.timeout_seconds,
    )


class Targets:
    """Endpoints that were opened lately, so that not every attempt does it again."""

    def __init__(self, sealer: Sealer, *, endpoints_max: int = OPENED_MAX) -> None:
        self._sealer, self._endpoints_max = sealer, endpoints_max
        self._opened: dict[EndpointId, tuple[Endpoint, datetime | None, Target]] = {}

    def open(self, endpoint: Endpoint, now: datetime) -> Target:
        """What `open_target` says; as long as the endpoint is the same and its secrets are good."""
        known, until, target = self._opened.get(endpoint.endpoint_id, _NOTHING)
        if known is endpoint and target is not None and (until is None or now < until):
            return target
        opened = open_target(self._sealer, endpoint, now)
        if len(self._opened) >= self._endpoints_max:
            self._opened.clear()
        ends = (secret.until for secret in endpoint.secrets_at(now) if secret.until is not None)
        self._opened[endpoint.endpoint_id] = endpoint, min(ends, default=None), opened
        return opened


_NOTHING = (None, None, None)


def _owner_of_headers(endpoint_id: EndpointId) -> str:
    # Not the owner of the secrets, so that none of both opens in the place of the other.
    return f"{endpoint_id} headers"
