"""Webhooks as the receiver saw them: whole, and what is kept of them once they were checked."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from sys import intern

import orjson

DIGEST_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What a webhook told, and when; times of the product are milliseconds since 1970."""

    path: str
    at_ns: int
    webhook_id: str
    type: str
    reference: str
    received_ms: float | None = None
    matched_ms: float | None = None
    status: int = 200
    """What it was answered; 0 is nothing at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival(Webhook):
    """A webhook with every byte that is signed."""

    timestamp: str
    signature: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Webhook):
    """A webhook without its bytes: two of equal bytes have the same digest."""

    is_signed: bool
    digest: bytes


def read_dump(lines: bytes) -> list[Arrival]:
    """The receiver's dump as arrivals, in the order in which they came."""
    return [_arrival(orjson.loads(line)) for line in lines.splitlines()]


def _arrival(line: dict[str, object]) -> Arrival:
    body = str(line["body"])
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = {}
    data = said.get("data") or {}
    stages = data.get("stages") or {}
    return Arrival(
        path=intern(str(line["path"])),
        at_ns=int(str(line["ns"])),
        webhook_id=str(line["webhook-id"]),
        timestamp=str(line["webhook-timestamp"]),
        signature=str(line["webhook-signature"]),
        body=body,
        type=intern(str(said.get("type"))),
        reference=str((data.get("payment") or {}).get("reference")),
        received_ms=_ms(stages.get("received_at")),
        matched_ms=_ms(stages.get("matched_at")),
        status=int(str(line["status"])),
    )


def _ms(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() * 1_000 if text else None


def is_signed(arrival: Arrival, secret: str) -> bool:
    """Whether one of the signatures fits, by the rules of Standard Webhooks 1.0.0."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{arrival.webhook_id}.{arrival.timestamp}.{arrival.body}".encode()
    right = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return any(hmac.compare_digest(right, given) for given in arrival.signature.split())


def checked(arrival: Arrival, secret: str | None) -> Checked:
    """What is kept of an arrival: a tenth of its bytes. Without a secret it is not signed."""
    return Checked(
        path=arrival.path,
        at_ns=arrival.at_ns,
        webhook_id=arrival.webhook_id,
        type=arrival.type,
        reference=arrival.reference,
        received_ms=arrival.received_ms,
        matched_ms=arrival.matched_ms,
        status=arrival.status,
        is_signed=secret is not None and is_signed(arrival, secret),
        digest=hashlib.blake2b(arrival.body.encode(), digest_size=DIGEST_BYTES).digest(),
    )
