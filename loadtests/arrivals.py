"""Webhooks as the receiver saw them: whole, and what is kept of them once they were checked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, NamedTuple

import orjson

from streams.clock import system_clock

DIGEST_BYTES = 12
FRESH_NS = 300_000_000_000
"""Receivers refuse a webhook whose timestamp is further away than this."""


class Standing(NamedTuple):
    """Where an invoice stands after what a notification tells of."""

    status: str
    paid_yen: int
    excess_yen: int


class Said(NamedTuple):
    """What a notification says beside its type and the reference of the payment."""

    outcome: str | None = None
    amount_yen: int | None = None
    """Of the payment."""
    invoice_number: str | None = None
    standing: Standing | None = None


NOTHING = Said()
_SHARED: dict[Any, Any] = {}
"""One for all that are equal: an invoice is told of several times, by webhooks and in the feed."""


def said_of(data: Mapping[str, Any]) -> Said:
    """What the `data` of a notification says."""
    payment, invoice = data.get("payment") or {}, data.get("invoice")
    standing = invoice and Standing(*(invoice.get(name) for name in Standing._fields))
    said = Said(
        outcome=(data.get("settlement") or {}).get("outcome"),
        amount_yen=payment.get("amount_yen"),
        invoice_number=invoice and invoice.get("invoice_number"),
        standing=standing and _SHARED.setdefault(standing, standing),
    )
    shared: Said = _SHARED.setdefault(said, said)
    return shared


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
    said: Said = NOTHING


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
    is_fresh: bool
    """Whether its timestamp is about the time at which it came."""
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
        said=said_of(data),
    )


def _ms(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() * 1_000 if text else None


def is_signed(arrival: Arrival, secret: str) -> bool:
    """Whether one of the signatures fits, by the rules of Standard Webhooks 1.0.0."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{arrival.webhook_id}.{arrival.timestamp}.{arrival.body}".encode()
    right = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return any(hmac.compare_digest(right, given) for given in arrival.signature.split())


def wall_offset_ns() -> int:
    """What makes nanoseconds since 1970 of the machine's monotonic clock."""
    return int(system_clock().timestamp() * 1e9) - time.perf_counter_ns()


def is_fresh(arrival: Arrival, offset_ns: int) -> bool:
    """Whether its timestamp is near enough the time at which it came."""
    if not arrival.timestamp.isdecimal():
        return False
    return abs(int(arrival.timestamp) * 1_000_000_000 - arrival.at_ns - offset_ns) <= FRESH_NS


def checked(arrival: Arrival, secret: str | None, offset_ns: int) -> Checked:
    """What is kept of an arrival: a tenth of its bytes. Without a secret it is not signed.

    `offset_ns` is what `wall_offset_ns` gives.
    """
    return Checked(
        path=arrival.path,
        at_ns=arrival.at_ns,
        webhook_id=arrival.webhook_id,
        type=arrival.type,
        reference=arrival.reference,
        received_ms=arrival.received_ms,
        matched_ms=arrival.matched_ms,
        status=arrival.status,
        said=arrival.said,
        is_fresh=is_fresh(arrival, offset_ns),
        is_signed=secret is not None and is_signed(arrival, secret),
        digest=hashlib.blake2b(arrival.body.encode(), digest_size=DIGEST_BYTES).digest(),
    )
