"""Makes deliveries outside the agents, in lanes: a slow merchant delays only himself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from agents.lane import Board, CallLater, Entry, Lane, Later, Limits, Standing, State, Timer
from streams.clock import Clock, monotonic_seconds
from streams.domain.delivery import Attempt, Delivery, Endpoint, Target
from streams.domain.ids import DeliveryId, EndpointId, MerchantId
from streams.hints import Standings
from streams.messages import AttemptMade

STOP_SECONDS_MAX = 5.0
"""Attempts still under way after so long are cancelled: they are pending, and made again."""
PUBLISHING_MAX = 1_024
"""So many results may wait for the log; then no attempt is begun, as it could not be recorded."""


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


class DeliveryLanes:
    """Every delivery that this process has to make; the notifying step offers and withdraws them.

    Everything runs on one event loop, and nothing polls: offers, results and two timers (the
    earliest due time, the oldest attempt under way) are what begins attempts.
    """

    def __init__(
        self,
        *,
        send: Send,
        open_target: Callable[[Endpoint], Target],
        publish: Callable[[AttemptMade], Awaitable[None]],
        clock: Clock,
        fraction: Callable[[], float],
        fail_stop: Callable[[str], None],
        observe: Callable[[Delivery, Attempt], None] = lambda _delivery, _attempt: None,
        standings: Standings | None = None,
        limits: Limits | None = None,
        call_later: CallLater | None = None,
        monotonic: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self._send, self._open_target, self._publish = send, open_target, publish
        self._clock, self._fraction, self._monotonic = clock, fraction, monotonic
        self._fail_stop, self._observe = fail_stop, observe
        self._standings = standings
        self._limits = limits or Limits()
        self._call_later = call_later
        self._board = Board(self._limits)
        self._lanes: dict[EndpointId, Lane] = {}
        self._known: dict[DeliveryId, Entry] = {}
        self._later = Later(clock, self._is_due)
        self._flights: dict[Entry, float] = {}  # when each began, the oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        self._publishing = 0
        self._is_running = False
        self._slow_timer: Timer | None = None

    # --- what the notifying step says

    def offer(self, delivery: Delivery) -> None:
        """Make a delivery when it is due; one that is known in this version is left alone."""
        known = self._known.get(delivery.delivery_id)
        if known is None:
            self._schedule(delivery)
        elif (delivery.round, delivery.attempts) > known.version():
            if known.state is State.SENDING:
                known.successor = delivery  # never twice at the same time
            else:
                known.state = State.DROPPED
                self._schedule(delivery)

    def withdraw(self, delivery_id: DeliveryId) -> None:
        """Forget a delivery; an attempt under way ends as it ends."""
        entry = self._known.get(delivery_id)
        if entry is not None:
            self._forget(entry)

    def set_endpoint(self, endpoint: Endpoint) -> None:
        """Register, change, enable or disable an endpoint; a disabled one collects."""
        lane = self._lane(endpoint.endpoint_id)
        if lane.endpoint is not None and lane.endpoint.url != endpoint.url:
            self._stand(lane, Standing.FRESH)  # another server, nothing known of it
        lane.endpoint = endpoint
        self._board.enlist(lane)
        self._pump()

    def remove_endpoint(self, endpoint_id: EndpointId) -> None:
        """Forget an endpoint and everything that waits for it."""
        lane = self._lanes.pop(endpoint_id, None)
        if lane is None:
            return
        lane.endpoint = None
        for entry in [entry for entry in self._known.values() if entry.lane is lane]:
            self._forget(entry)
        self._later.sweep()

    def keep(self, is_ours: Callable[[MerchantId], bool]) -> None:
        """Forget the merchants that another worker delivers to from now on.

        An attempt under way ends as it ends, and its result is published: whoever has the
        merchant reads it from the log.
        """
        for entry in list(self._known.values()):
            if not is_ours(entry.delivery.merchant_id):
                self._forget(entry)
        for endpoint_id, lane in list(self._lanes.items()):
            if lane.endpoint is not None and not is_ours(lane.endpoint.merchant_id):
                lane.endpoint = None
                del self._lanes[endpoint_id]
        self._later.sweep()

    async def recall(self) -> None:
        """Learn how endpoints stood with whoever sent to them before, within a bound of time."""
        if self._standings is None:
            return
        fresh = [name for name, lane in self._lanes.items() if lane.standing is Standing.FRESH]
        for endpoint_id, word in (await self._standings.get(fresh)).items():
            lane = self._lanes.get(endpoint_id)
            if lane is not None and lane.standing is Standing.FRESH and word in set(Standing):
                self._board.stand(lane, Standing(word))

    # --- life

    async def start(self) -> None:
        """Begin to send what was offered, also before; again after a `pause`."""
        if self._call_later is None:
            self._call_later = asyncio.get_running_loop().call_later
        self._is_running = True
        self._later.start(self._call_later)
        self._pump()

    def pause(self) -> None:
        """Begin nothing more until `start` is called again; what is under way goes on."""
        self._is_running = False

    async def stop(self, *, seconds_max: float = STOP_SECONDS_MAX) -> None:
        """Begin nothing more and wait, within a bound, for what is under way."""
        self._is_running = False
        self._later.stop()
        if self._slow_timer is not None:
            self._slow_timer.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds_max)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    @property
    def in_flight(self) -> int:
        """Attempts under way now."""
        return len(self._flights)

    @property
    def waiting(self) -> int:
        """Deliveries that are not finished and not under way now."""
        return len(self._known) - len(self._flights)

    # --- the way of a delivery

    def _lane(self, endpoint_id: EndpointId) -> Lane:
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            lane = self._lanes[endpoint_id] = Lane()
        return lane

    def _schedule(self, delivery: Delivery) -> None:
        entry = Entry(delivery, self._lane(delivery.endpoint_id))
        self._known[delivery.delivery_id] = entry
        # A first attempt has nothing to wait for, whatever clock the log was written by.
        if not delivery.attempts or delivery.due_at <= self._clock():
            self._is_due(entry)
        else:
            self._later.push(entry)

    def _is_due(self, entry: Entry) -> None:
        entry.lane.push(entry)
        self._board.enlist(entry.lane)
        self._pump()

    def _forget(self, entry: Entry) -> None:
        if entry.state is State.SENDING:
            entry.is_withdrawn = True  # remembered until it lands, so that it is not sent beside
            entry.successor = None
        else:
            entry.state = State.DROPPED
            del self._known[entry.delivery.delivery_id]

    def _pump(self) -> None:
        if self._is_running and self._publishing < PUBLISHING_MAX:
            self._board.fill(self._begin)

    def _begin(self, entry: Entry) -> None:
        entry.state = State.SENDING
        self._flights[entry] = self._monotonic()
        if self._slow_timer is None:
            self._set_slow_timer(self._limits.slow_seconds)
        endpoint = entry.lane.endpoint
        assert endpoint is not None, "a lane without an endpoint sends nothing"
        task = asyncio.get_running_loop().create_task(self._attempt(entry, endpoint))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _attempt(self, entry: Entry, endpoint: Endpoint) -> None:
        delivery = entry.delivery
        attempt = await self._send(
            target=self._open_target(endpoint),
            webhook_id=delivery.notification_id,
            body=delivery.body.encode(),
            traceparent=delivery.traceparent or None,
            number=delivery.attempts + 1,
        )
        self._landed(entry, attempt)
        self._observe(delivery, attempt)
        self._publishing += 1
        await self._publish(
            AttemptMade(
                merchant_id=delivery.merchant_id,
                delivery_id=delivery.delivery_id,
                attempt=attempt,
                fraction=self._fraction(),
                first_attempt_at=delivery.first_attempt_at or attempt.at,
                round=delivery.round,
                endpoint_id=delivery.endpoint_id,
                created_at=delivery.created_at,
                retry_seconds=endpoint.retry_seconds,
            )
        )
        self._publishing -= 1
        self._pump()

    def _landed(self, entry: Entry, attempt: Attempt) -> None:
        """Free the slot at once; whether the attempt is recorded yet is not the lane's concern."""
        lane = entry.lane
        del self._flights[entry]
        lane.overdue -= entry.is_overdue
        self._board.release(lane)
        self._stand(lane, lane.standing_after(attempt, self._limits))
        entry.state = State.AWAITING
        if entry.successor is not None:
            entry.state = State.DROPPED
            self._schedule(entry.successor)
        elif entry.is_withdrawn:
            self._forget(entry)
        self._board.enlist(lane)
        self._pump()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # An attempt that cannot be recorded, or a bug: nothing may go on as if all were well.
            self._is_running = False
            self._fail_stop(f"a delivery attempt could not be completed: {error!r}")

    def _stand(self, lane: Lane, standing: Standing) -> None:
        self._board.stand(lane, standing)
        if self._standings is not None and lane.endpoint is not None:
            self._standings.put(lane.endpoint.endpoint_id, standing)

    # --- attempts that take long

    def _set_slow_timer(self, seconds: float) -> None:
        assert self._call_later is not None
        self._slow_timer = self._call_later(seconds, self._mark_slow)

    def _mark_slow(self) -> None:
        """Count a lane whose attempt takes long apart at once; its time-out is seconds away."""
        self._slow_timer = None
        now = self._monotonic()
        for entry, begun in self._flights.items():
            wait_seconds = begun + self._limits.slow_seconds - now
            if wait_seconds > 0:
                self._set_slow_timer(wait_seconds)
                break
            if not entry.is_overdue:
                entry.is_overdue = True
                entry.lane.overdue += 1
                self._stand(entry.lane, entry.lane.standing_when_slow())
        self._pump()
