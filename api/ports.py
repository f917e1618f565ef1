"""What the API needs from the outside world; the composition root provides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry

from connectors.channel import Channel
from connectors.sealing import Sealer
from streams.clock import Clock
from streams.domain.delivery import Attempt, Target
from streams.hints import Signals
from streams.ports import Appender, History, Tail

BODY_BYTES_MAX = 256 * 1024
FILE_BYTES_MAX = 64 * 1024 * 1024


class Cache(Protocol):
    """What several requests share for a while; it may forget, and holds nothing's only copy."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, *, seconds: float, owner: str = "") -> None:
        """Remember a value; when there is too much, whoever owns most loses his oldest."""
        ...

    async def claim(
        self, key: str, value: bytes, *, seconds: float, owner: str = ""
    ) -> bytes | None:
        """Put a value unless there is one: None when it is put, else the value that is there.

        Of several at once, in any process, one puts it. A cache that forgets may say None twice.
        """
        ...

    async def take(self, bucket: str, *, per_second: float, burst: int) -> float:
        """Take one token: 0 when there was one, else the seconds until there will be."""
        ...


class Webhooks(Protocol):
    """Makes one signed attempt at once; whatever the network does becomes part of it."""

    async def send(
        self,
        *,
        target: Target,
        webhook_id: str,
        body: bytes,
        traceparent: str | None,
        number: int,
    ) -> Attempt: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """How much the API takes from one caller, and how long it waits."""

    requests_per_second: float = 100.0
    requests_burst: int = 500
    failures_per_second: float = 1.0
    """Failed authentications from one address that are answered 401 and not 429."""
    failures_burst: int = 30
    body_bytes_max: int = BODY_BYTES_MAX
    file_bytes_max: int = FILE_BYTES_MAX
    body_seconds_max: float = 30.0
    """A client that sends its body more slowly is given up."""
    file_seconds_max: float = 600.0
    effect_seconds_max: float = 10.0
    """How long a command waits for the step that decides about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPorts:
    """Everything that the API is built from."""

    appender: Appender
    tail: Tail
    history: History
    channels: Mapping[str, Channel]
    cache: Cache
    signals: Signals
    sealer: Sealer
    clock: Clock
    admin_key_hash: str
    """The SHA-256 of the admin key, in hexadecimal."""
    webhooks: Webhooks
    version: str
    """The product's version, for the OpenAPI document."""
    allow_private_endpoints: bool = False
    limits: ApiLimits = field(default_factory=ApiLimits)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    metrics_text: Callable[[], bytes] | None = None
    """The Prometheus text of all processes, this one included; without it, of this one alone."""
