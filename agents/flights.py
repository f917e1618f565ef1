"""Attempts under way: each is begun once, recorded once, and counted as slow in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from agents.lane import Entry, State
from agents.later import CallLater, Timer
from streams.domain.acknowledging import ack_seconds
from streams.domain.delivery import Attempt, Delivery, Endpoint, Target
from streams.endings import why_it_ended
from streams.messages import AttemptMade

PUBLISHING_MAX = 1_024
"""So many results may wait for the log; then no attempt is begun, as it could not be recorded."""

AWAITING_MAX = 128
"""So many results may wait for the step that decides what follows. They stand before every later
notification in the log: what recovers after an outage must not make the others wait for seconds."""


class Send(Protocol):
    """Makes one attempt and never raises for what the network or the receiver does."""

    def __call__(
        self,
        *,
        target: Target,
        webhook_id: str,
        body: bytes,
        traceparent: str | None,
        number: int,
    ) -> Awaitable[Attempt]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What an attempt needs of the world."""

    send: Send
    open_target: Callable[[Endpoint], Target]
    publish: Callable[[AttemptMade], Awaitable[None]]
    fraction: Callable[[], float]
    observe: Callable[[Delivery, Attempt], None]
    monotonic: Callable[[], float]
    fail_stop: Callable[[str], None]


class Flights:
    """Every attempt is a task of its own; `landed` is told of each before it is recorded."""

    def __init__(
        self,
        outside: Outside,
        *,
        slow_seconds: float,
        landed: Callable[[Entry, Attempt, float], None],
        slow: Callable[[Entry, float], None],
        recorded: Callable[[], None],
    ) -> None:
        self._outside, self._slow_seconds = outside, slow_seconds
        self._landed, self._slow, self._recorded = landed, slow, recorded
        self._begun: dict[Entry, float] = {}  # when each began, the oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        self._publishing = 0
        self._awaiting: set[Entry] = set()
        self._is_broken = self._is_stopping = False
        self._call_later: CallLater | None = None
        self._slow_timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._begun)

    @property
    def has_room(self) -> bool:
        """Whether the result of one more attempt could be recorded, and decided on, soon."""
        is_full = self._publishing >= PUBLISHING_MAX or len(self._awaiting) >= AWAITING_MAX
        return not (is_full or self._is_broken)

    def start(self, call_later: CallLater) -> None:
        """Say by what an attempt that takes long is noticed."""
        self._call_later = call_later

    def begin(self, entry: Entry) -> None:
        """Make an attempt."""
        entry.state = State.SENDING
        self._begun[entry] = self._outside.monotonic()
        if self._slow_timer is None:
            self._set_slow_timer(self._slow_seconds)
        endpoint = entry.lane.endpoint
        assert endpoint is not None, "a lane without an endpoint sends nothing"
        task = asyncio.get_running_loop().create_task(self._attempt(entry, endpoint))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def decided(self, entry: Entry) -> None:
        """What follows from an attempt is known, or nobody asks for it any more."""
        if entry in self._awaiting:
            self._awaiting.remove(entry)
            if len(self._awaiting) == AWAITING_MAX - 1:
                self._recorded()

    async def stop(self, seconds_max: float) -> None:
        """Wait, within a bound, for what is under way; what is cancelled is made again."""
        if self._slow_timer is not None:
            self._slow_timer.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds_max)
            self._is_stopping = True
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _attempt(self, entry: Entry, endpoint: Endpoint) -> None:
        outside, delivery = self._outside, entry.delivery
        attempt = await outside.send(
            target=outside.open_target(endpoint),
            webhook_id=delivery.notification_id,
            body=delivery.body.encode(),
            traceparent=delivery.traceparent or None,
            number=delivery.attempts + 1,
        )
        self._awaiting.add(entry)
        # The slot is free at once; whether the attempt is recorded yet is not the lane's concern.
        self._landed(entry, attempt, self._begun.pop(entry))
        outside.observe(delivery, attempt)
        self._publishing += 1
        await outside.publish(
            AttemptMade(
                merchant_id=delivery.merchant_id,
                delivery_id=delivery.delivery_id,
                attempt=attempt,
                fraction=outside.fraction(),
                first_attempt_at=delivery.first_attempt_at or attempt.at,
                round=delivery.round,
                endpoint_id=delivery.endpoint_id,
                created_at=delivery.created_at,
                retry_seconds=endpoint.retry_seconds,
                sequence=delivery.sequence,
                event_id=delivery.notification_id,
                tellings=delivery.tellings,
                ack_seconds=ack_seconds(delivery, endpoint),
            )
        )
        self._publishing -= 1
        self._recorded()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if (error := why_it_ended(task, is_wanted=self._is_stopping)) is not None:
            # An attempt that cannot be recorded, or a bug: nothing may go on as if all were well.
            self._is_broken = True
            self._outside.fail_stop(f"a delivery attempt could not be completed: {error!r}")

    def _set_slow_timer(self, seconds: float) -> None:
        assert self._call_later is not None
        self._slow_timer = self._call_later(seconds, self._mark_slow)

    def _mark_slow(self) -> None:
        """Count a lane whose attempt takes long apart at once; its time-out is seconds away."""
        self._slow_timer = None
        now = self._outside.monotonic()
        for entry, begun in self._begun.items():
            wait_seconds = begun + self._slow_seconds - now
            if wait_seconds > 0:
                self._set_slow_timer(wait_seconds)
                break
            if not entry.is_overdue:
                entry.is_overdue = True
                entry.lane.overdue += 1
                self._slow(entry, begun)
        self._recorded()
