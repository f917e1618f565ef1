"""The secrets that an endpoint's deliveries are signed with, and how a new one takes over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from streams.domain.errors import Conflict

OLD_SECRETS_MAX = 5


class Signing(StrEnum):
    """How a secret signs, in the words of Standard Webhooks: HMAC-SHA256, or ed25519."""

    V1 = "v1"
    V1A = "v1a"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecret:
    """One secret of an endpoint as it is kept: sealed, and good until a time once it is old."""

    secret_id: str
    sealed: str
    created_at: datetime
    signing: Signing = Signing.V1
    public_key: str = ""
    """What receivers verify with, when that is not the secret itself."""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An unsealed secret; it never shows itself."""

    secret: bytes = field(repr=False)
    signing: Signing = Signing.V1


def good_at(secrets: tuple[SigningSecret, ...], now: datetime) -> tuple[SigningSecret, ...]:
    """Those that still sign at `now`."""
    return tuple(secret for secret in secrets if secret.until is None or secret.until > now)


def rotated(
    secrets: tuple[SigningSecret, ...], new: SigningSecret, *, now: datetime, overlap: timedelta
) -> tuple[SigningSecret, ...]:
    """The secrets once `new` has taken over, newest first; those before keep their own times.

    No overlap ends all of them at once, which is for a secret that became known. Raises `Conflict`
    when more would go on than every delivery can carry signatures of.
    """
    if not overlap:
        return (new,)
    newest, *older = good_at(secrets, now)
    if len(older) >= OLD_SECRETS_MAX:
        raise Conflict(f"{OLD_SECRETS_MAX} old secrets are good still; wait, or end them all by 0")
    return (new, replace(newest, until=now + overlap), *older)
