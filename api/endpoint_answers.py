"""What the API answers about webhook endpoints, and how a record becomes an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.sealing import Sealer
from connectors.signing import format_secret
from connectors.targets import open_headers
from streams.domain.delivery import Endpoint, EndpointStatus
from streams.domain.headers import masked
from streams.domain.health import StatusReason
from streams.domain.signing import Signing, SigningSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSecretShown:
    """A secret that was replaced, and until when deliveries are signed with it too."""

    signing: Signing
    public_key: str | None
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointShown:
    """A webhook endpoint.

    Of a header's value only the end is shown. `public_key` is there when `signing` is `v1a`.
    `timeout_seconds` is null, and `retry_seconds` empty, where the standard ones hold.
    `status_reason` says why we stopped sending: `gone` (it answered 410) or `failing` (first
    attempts failed for five days); else it is null. `failing_since` is there from the first
    warning on.
    """

    id: str
    url: str
    types: list[str]
    description: str
    status: EndpointStatus
    status_reason: StatusReason | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime
    signing: Signing
    public_key: str | None
    old_secrets: list[OldSecretShown]
    headers: dict[str, str]
    timeout_seconds: int | None
    retry_seconds: list[int]
    supersede: bool
    ack_required: bool
    ack_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWithSecret(EndpointShown):
    """A webhook endpoint with its new signing secret, which is shown this once.

    There is none to show where receivers verify with the public key.
    """

    secret: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsPage:
    """A page of endpoints, oldest first."""

    data: list[EndpointShown]
    next: str | None


def endpoint_shown(endpoint: Endpoint, *, sealer: Sealer, now: datetime) -> EndpointShown:
    """An endpoint without anything that is secret; raises `CorruptState`."""
    return EndpointShown(**_members(endpoint, sealer, now))


def endpoint_with_secret(
    endpoint: Endpoint, secret: SigningSecret, *, sealer: Sealer, now: datetime
) -> EndpointWithSecret:
    """An endpoint with one of its secrets in the clear; raises `CorruptState`."""
    text = None
    if secret.signing is Signing.V1:
        text = format_secret(sealer.unseal(secret.sealed, endpoint.endpoint_id))
    return EndpointWithSecret(**_members(endpoint, sealer, now), secret=text)


def _members(endpoint: Endpoint, sealer: Sealer, now: datetime) -> dict[str, Any]:
    secrets = endpoint.secrets_at(now)
    headers = open_headers(sealer, endpoint)
    return {
        "id": endpoint.endpoint_id,
        "url": endpoint.url,
        "types": list(endpoint.types),
        "description": endpoint.description,
        "status": endpoint.effective_status,
        "status_reason": endpoint.status_reason,
        "failing_since": endpoint.health.failing_since,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
        "signing": secrets[0].signing,
        "public_key": secrets[0].public_key or None,
        "old_secrets": [_old(secret, secret.until) for secret in secrets if secret.until],
        "headers": {name: masked(value) for name, value in headers.items()},
        "timeout_seconds": endpoint.timeout_seconds,
        "retry_seconds": list(endpoint.retry_seconds),
        "supersede": endpoint.supersede,
        "ack_required": endpoint.ack_required,
        "ack_seconds": endpoint.ack_seconds,
    }


def _old(secret: SigningSecret, until: datetime) -> OldSecretShown:
    return OldSecretShown(signing=secret.signing, public_key=secret.public_key or None, until=until)
