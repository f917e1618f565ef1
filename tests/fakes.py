"""Stand-ins: engines that fail or hang, a receiver that answers at will, clocks that are moved."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from streams.domain.delivery import Attempt, Delivery, Endpoint, Target
from streams.domain.errors import Unavailable
from streams.domain.ids import DeliveryId, EndpointId
from streams.ports import Appender, History, Place, Record
from tests.builders import NOW


@dataclass
class ManualClock:
    """A clock that a test moves; asking moves it a millisecond, so that no two times are equal."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class ManualSeconds:
    """Monotonic seconds that a test moves."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class FailingAppender:
    """A log that can be switched off, all of it or some topics."""

    inner: Appender
    is_down: bool = False
    down: frozenset[str] = frozenset()
    appended: list[Record] = field(default_factory=list)

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        if self.is_down or any(record.topic in self.down for record in records):
            raise Unavailable("the disk is full")
        self.appended += records
        return await self.inner.append(records)


class FailingHistory:
    """A history whose every method fails, or never returns, while it is switched off."""

    def __init__(self, inner: History) -> None:
        self._inner = inner
        self.is_down = False
        self.hangs = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*arguments: Any, **named: Any) -> Any:
            if self.hangs:
                await asyncio.Event().wait()
            if self.is_down:
                raise Unavailable("history is down")
            return await method(*arguments, **named)

        return call


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What an attempt was made with."""

    target: Target
    webhook_id: str
    body: bytes


@dataclass
class FakeWebhooks:
    """Answers every attempt alike and remembers what was sent."""

    status_code: int | None = 204
    error: str | None = None
    sent: list[Sent] = field(default_factory=list)

    async def send(
        self,
        *,
        target: Target,
        webhook_id: str,
        body: bytes,
        traceparent: str | None,
        number: int,
    ) -> Attempt:
        self.sent.append(Sent(target=target, webhook_id=webhook_id, body=body))
        return Attempt(
            number=number,
            at=NOW,
            duration_ms=3,
            status_code=self.status_code,
            error=self.error,
            answer="",
        )


@dataclass
class FakeLanes:
    """Remembers what was to be delivered, and delivers nothing."""

    offered: dict[DeliveryId, Delivery] = field(default_factory=dict)
    endpoints: dict[EndpointId, Endpoint] = field(default_factory=dict)

    def offer(self, delivery: Delivery) -> None:
        self.offered[delivery.delivery_id] = delivery

    def follow(self, delivery: Delivery, ended: DeliveryId) -> None:
        assert ended not in self.offered, "the one before has not ended"
        self.offered[delivery.delivery_id] = delivery

    def withdraw(self, delivery_id: DeliveryId) -> None:
        self.offered.pop(delivery_id, None)

    def set_endpoint(self, endpoint: Endpoint) -> None:
        self.endpoints[endpoint.endpoint_id] = endpoint

    def remove_endpoint(self, endpoint_id: EndpointId) -> None:
        self.endpoints.pop(endpoint_id, None)
