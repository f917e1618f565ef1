"""A network of endpoints that answer in virtual time, well or badly, as one seed draws it."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from streams.domain.delivery import Attempt, Target
from streams.domain.ids import DeliveryId, EndpointId, NotificationId, delivery_id
from tests.simulation.virtual_time import WallClock

TIMEOUT_SECONDS = 15.0
QUICK_SECONDS = 0.005
"""A server that refuses does so at once."""


class Mood(StrEnum):
    """What a server does with a request."""

    WELL = "well"
    RESET = "reset"
    HANG = "hang"
    CUT_OFF = "cut off"  # it may have done its work before
    UNAVAILABLE = "unavailable"
    TOO_MANY = "too many"
    SLOW = "slow"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """From when until when an endpoint is in one mood, whatever else it does."""

    begin: float
    end: float
    mood: Mood


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """How an endpoint is for life; it answers each request by these chances."""

    latency_seconds: float = 0.05
    spread: float = 0.5
    """Of the latencies' logarithm: at 0.5 one of a hundred takes more than three times as long."""
    moods: Mapping[Mood, float] = field(default_factory=lambda: {Mood.WELL: 1.0})
    """How often it is in which mood; the numbers need no sum."""
    capacity: float = math.inf
    """So many requests at a time are no trouble."""
    is_slowed: bool = False
    """Whether more than that are answered late; else they are refused."""
    outages: tuple[Outage, ...] = ()
    gone_from: float = math.inf
    """From then on it answers 410."""
    retry_after_seconds: tuple[int | None, ...] = (None, 1, 20, 900)
    """For how long it asks when it refuses; one of these."""


@dataclass(frozen=True, slots=True)
class Answer:
    seconds: float
    status_code: int | None = 200
    error: str | None = None
    retry_after_seconds: int | None = None


@dataclass(eq=False, slots=True)
class Request:
    """One attempt as the endpoint and the sender saw it; times are seconds of the loop."""

    endpoint_id: EndpointId
    webhook_id: NotificationId
    body: bytes
    number: int
    at: datetime
    begun: float
    beside: int
    """How many the endpoint had under way, with this one."""
    ended: float = math.inf
    answer: Answer | None = None
    """What the sender heard; None when its process did not live to hear it."""
    is_accepted: bool = False
    """Whether the endpoint did its work and said 2xx, heard or not."""

    @property
    def delivery_id(self) -> DeliveryId:
        return delivery_id(self.webhook_id, self.endpoint_id)


class Network:
    """All endpoints by the host of their URL; what each says depends on nobody else's requests."""

    def __init__(self, seed: str, clock: WallClock, tempers: Mapping[EndpointId, Temper]) -> None:
        self._seed, self._clock = seed, clock
        self._tempers = tempers
        self._loop = asyncio.get_running_loop()
        self._seen: dict[tuple[EndpointId, str], int] = defaultdict(int)
        self.requests: list[Request] = []
        self.under_way: dict[EndpointId, set[Request]] = defaultdict(set)
        self.is_well = False
        """Whether everybody answers well from now on."""

    def ids_under_way(self) -> set[DeliveryId]:
        return {one.delivery_id for found in self.under_way.values() for one in found}

    def arrives(self, *, target: Target, webhook_id: str, body: bytes, number: int) -> Request:
        """A request begins."""
        endpoint_id = EndpointId(target.url.split("/")[2])
        at_endpoint = self.under_way[endpoint_id]
        # No two attempts begin in one microsecond.
        request = Request(
            endpoint_id=endpoint_id,
            webhook_id=NotificationId(webhook_id),
            body=body,
            number=number,
            at=self._clock() + timedelta(microseconds=len(self.requests) % 100),
            begun=self._loop.time(),
            beside=len(at_endpoint) + 1,
        )
        at_endpoint.add(request)
        self.requests.append(request)
        return request

    async def answers(
        self,
        request: Request,
        timeout_seconds: float | None,
        wait: Callable[[float], Awaitable[None]],
    ) -> Attempt:
        """The request takes its time, which `wait` may cut short with the sender's life."""
        answer, does_work = self._decide(request, timeout_seconds or TIMEOUT_SECONDS)
        try:
            await wait(answer.seconds)
            request.answer, request.is_accepted = answer, does_work
        except asyncio.CancelledError:
            request.is_accepted = does_work and request.begun * 1e6 % 2 < 1
            raise
        finally:
            request.ended = self._loop.time()
            self.under_way[request.endpoint_id].discard(request)
        return Attempt(
            number=request.number,
            at=request.at,
            duration_ms=int(answer.seconds * 1_000),
            status_code=answer.status_code,
            error=answer.error,
            retry_after_seconds=answer.retry_after_seconds,
        )

    def _decide(self, request: Request, timeout_seconds: float) -> tuple[Answer, bool]:
        key = request.endpoint_id, request.webhook_id
        self._seen[key] += 1
        chance = Random(f"{self._seed} {key} {self._seen[key]}")  # noqa: S311  # to be repeated
        temper = self._tempers[request.endpoint_id]
        latency_seconds = temper.latency_seconds * chance.lognormvariate(0, temper.spread)
        if self.is_well:
            return Answer(min(latency_seconds, 0.1)), True
        if request.begun >= temper.gone_from:
            return Answer(latency_seconds, 410), False
        mood = self._mood(temper, request.begun, chance)
        if request.beside > temper.capacity:
            if not temper.is_slowed:
                return _ANSWERS[Mood.TOO_MANY](temper, QUICK_SECONDS, chance), False
            latency_seconds *= request.beside / temper.capacity
        answer = _ANSWERS[mood](temper, latency_seconds, chance)
        if answer.seconds >= timeout_seconds:
            # A little more, so that no two time-outs fall on one moment.
            answer = Answer(timeout_seconds + chance.random() / 100, None, "timeout")
        does_work = answer.status_code == 200 or (mood is Mood.CUT_OFF and chance.random() < 0.5)
        return answer, does_work

    def _mood(self, temper: Temper, now: float, chance: Random) -> Mood:
        for outage in temper.outages:
            if outage.begin <= now < outage.end:
                return outage.mood
        return chance.choices(list(temper.moods), list(temper.moods.values()))[0]


Answering = Callable[[Temper, float, Random], Answer]


def _refusal(status_code: int) -> Answering:
    return lambda temper, _, chance: Answer(
        QUICK_SECONDS * (1 + chance.random()),
        status_code,
        retry_after_seconds=chance.choice(temper.retry_after_seconds),
    )


_ANSWERS: dict[Mood, Answering] = {
    Mood.WELL: lambda _, latency, __: Answer(latency),
    Mood.RESET: lambda _, __, chance: Answer(QUICK_SECONDS * chance.random(), None, "reset"),
    Mood.HANG: lambda *_: Answer(math.inf),
    Mood.CUT_OFF: lambda _, latency, __: Answer(latency, None, "disconnected"),
    Mood.UNAVAILABLE: _refusal(503),
    Mood.TOO_MANY: _refusal(429),
    Mood.SLOW: lambda _, latency, chance: Answer(latency * chance.uniform(20, 100)),
    Mood.WRONG: lambda _, latency, chance: Answer(latency, chance.choice([400, 404, 500])),
}
