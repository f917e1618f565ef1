"""A world around the delivery lanes that a test moves by hand, and one delivery through it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from agents.delivery import DeliveryLanes
from agents.flights import Outside
from agents.lane import Limits
from streams.domain.delivery import Attempt, Delivery, Endpoint, EndpointStatus, Target
from streams.domain.ids import DeliveryId, EndpointId, MerchantId, NotificationId
from streams.domain.signing import SigningKey
from streams.hints import Standings
from streams.messages import AttemptMade
from tests.pending_rows import PendingDicts

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
SECONDS_MAX = 5.0


def an_endpoint(name: str, *, status: EndpointStatus = EndpointStatus.ENABLED) -> Endpoint:
    return Endpoint(
        endpoint_id=EndpointId(name),
        merchant_id=MerchantId("mer_1"),
        url=f"https://{name}.example.com/",
        types=(),
        sealed_secret=f"sealed {name}",
        status=status,
        created_at=START,
        updated_at=START,
    )


def open_target(endpoint: Endpoint) -> Target:
    key = SigningKey(f"open {endpoint.sealed_secret}".encode())
    return Target(url=endpoint.url, keys=[key])


def a_delivery(
    endpoint: str, number: int, *, after_seconds: float = 0, attempts: int = 0
) -> Delivery:
    return Delivery(
        delivery_id=DeliveryId(f"{endpoint}/{number}"),
        endpoint_id=EndpointId(endpoint),
        merchant_id=MerchantId("mer_1"),
        notification_id=NotificationId(f"evt_{number}"),
        notification_type="invoice.paid",
        body='{"名":1}',
        created_at=START,
        due_at=START + timedelta(seconds=after_seconds),
        attempts=attempts,
        first_attempt_at=START if attempts else None,
    )


@dataclass
class ManualTime:
    """A clock and its timers, which a test moves."""

    seconds: float = 0.0
    clock_ahead_seconds: float = 0.0
    """By how much the clock was set forward, which no timer notices."""
    early_seconds: float = 0.0
    """So much before its time each timer rings, as uvloop's do."""
    timers: list[ManualTimer] = field(default_factory=list)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds + self.clock_ahead_seconds)

    def elapsed(self) -> float:
        return self.seconds

    def call_later(self, seconds: float, callback: Callable[[], None]) -> ManualTimer:
        at = self.seconds + max(seconds - self.early_seconds, 0.0)
        timer = ManualTimer(at, callback, self)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        until = self.seconds + seconds
        while ready := [timer for timer in self.timers if timer.at <= until]:
            timer = min(ready, key=lambda each: each.at)
            self.timers.remove(timer)
            self.seconds = max(self.seconds, timer.at)
            timer.callback()
        self.seconds = until


@dataclass(eq=False)
class ManualTimer:
    at: float
    callback: Callable[[], None]
    time: ManualTime

    def cancel(self) -> None:
        if self in self.time.timers:
            self.time.timers.remove(self)


@dataclass
class Sent:
    """One attempt under way; the test decides how it ends."""

    target: Target
    webhook_id: str
    body: bytes
    traceparent: str | None
    number: int
    ending: asyncio.Future[Attempt]
    at: datetime

    @property
    def what(self) -> str:
        return (
            f"{self.target.url.split('/')[2].split('.')[0]}/{self.webhook_id.removeprefix('evt_')}"
        )


class World:
    """Lanes with everything around them under the test's hand."""

    def __init__(self, *, limits: Limits | None = None, standings: Standings | None = None) -> None:
        self.time = ManualTime()
        self.sent: list[Sent] = []
        self.published: list[AttemptMade] = []
        self.observed: list[tuple[Delivery, Attempt]] = []
        self.stops: list[str] = []
        self.publishing: Callable[[AttemptMade], Awaitable[None]] | None = None
        self.changed = asyncio.Event()
        self.pending = PendingDicts()
        outside = Outside(
            send=self._send,
            open_target=open_target,
            publish=self._publish,
            fraction=lambda: 0.25,
            observe=lambda delivery, attempt: self.observed.append((delivery, attempt)),
            monotonic=self.time.elapsed,
            fail_stop=self._stop,
        )
        self.lanes = DeliveryLanes(
            outside,
            pending=self.pending,
            clock=self.time.now,
            standings=standings,
            limits=limits or Limits(lane_in_flight_max=8),
            call_later=self.time.call_later,
        )

    async def _send(
        self,
        *,
        target: Target,
        webhook_id: str,
        body: bytes,
        traceparent: str | None,
        number: int,
    ) -> Attempt:
        ending: asyncio.Future[Attempt] = asyncio.get_running_loop().create_future()
        now = self.time.now()
        self.sent.append(Sent(target, webhook_id, body, traceparent, number, ending, now))
        self.changed.set()
        return await ending

    async def _publish(self, message: AttemptMade) -> None:
        if self.publishing is not None:
            await self.publishing(message)
        self.published.append(message)
        self.changed.set()

    def _stop(self, reason: str) -> None:
        self.stops.append(reason)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS_MAX):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def settle(self) -> None:
        """Let everything happen that can happen without an answer or the time passing."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def end(self, what: str, *, status: int | None = 200) -> None:
        """Answer an attempt; `status` None is a time-out."""
        published = len(self.published)
        sent = next(each for each in self.sent if each.what == what and not each.ending.done())
        spent = self.time.now() - sent.at
        attempt = Attempt(
            number=sent.number,
            at=sent.at,
            duration_ms=int(spent.total_seconds() * 1_000),
            status_code=status,
            error=None if status else "timeout",
        )
        sent.ending.set_result(attempt)
        await self.until(lambda: len(self.published) > published)
        await self.settle()

    @property
    def under_way(self) -> list[str]:
        return [each.what for each in self.sent if not each.ending.done()]

    @property
    def all_sent(self) -> list[str]:
        return [each.what for each in self.sent]


async def a_world(*endpoints: str, limits: Limits | None = None) -> World:
    world = World(limits=limits)
    for endpoint in endpoints:
        world.lanes.set_endpoint(an_endpoint(endpoint))
    await world.lanes.start()
    return world


PROOFS = range(1_000, 1_015)
"""So many successes, with more asked for all the while, and eight at a time are no risk."""


async def prove(world: World, *endpoints: str) -> None:
    """Earn each endpoint all of its slots."""
    for endpoint in endpoints:
        for number in PROOFS:
            world.lanes.offer(a_delivery(endpoint, number))
        await world.settle()
        while world.under_way:
            await world.end(world.under_way[0])
        for number in PROOFS:
            world.lanes.withdraw(DeliveryId(f"{endpoint}/{number}"))
    world.sent.clear()
    world.published.clear()
    world.observed.clear()


async def test_an_attempt_is_made_as_the_delivery_says_and_told_to_the_log() -> None:
    world = await a_world("a")
    world.lanes.set_endpoint(replace(an_endpoint("a"), retry_seconds=(60, 600)))
    delivery = replace(a_delivery("a", 1), traceparent="00-trace", round=2)

    world.lanes.offer(delivery)
    await world.settle()
    assert world.lanes.in_flight == 1
    assert world.lanes.waiting == 0
    world.time.advance(0.5)
    await world.end("a/1", status=503)

    sent = world.sent[0]
    assert sent.target.url == "https://a.example.com/"
    assert sent.target.keys == [SigningKey(b"open sealed a")]
    assert sent.webhook_id == "evt_1"
    assert sent.body == '{"名":1}'.encode()
    assert sent.traceparent == "00-trace"
    assert sent.number == 1
    attempt = Attempt(number=1, at=START, duration_ms=500, status_code=503)
    assert world.published == [
        AttemptMade(
            merchant_id=MerchantId("mer_1"),
            delivery_id=delivery.delivery_id,
            attempt=attempt,
            fraction=0.25,
            first_attempt_at=START,
            round=2,
            endpoint_id=EndpointId("a"),
            created_at=START,
            retry_seconds=(60, 600),
            event_id=NotificationId("evt_1"),
        )
    ]
    assert world.observed == [(delivery, attempt)]
    assert world.lanes.in_flight == 0
    assert world.lanes.waiting == 1  # until the step has decided
