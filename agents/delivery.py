"""Makes deliveries outside the agents, in lanes: a slow merchant delays only himself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agents.flights import Flights, Outside
from agents.holding import Holding
from agents.lane import Board, Entry, Lane, Limits, Standing, State, Window
from agents.later import CallLater, Later
from agents.sweeper import Sweeper
from streams.clock import Clock
from streams.domain.delivery import SUCCESS, Attempt, Delivery, Endpoint
from streams.domain.ids import DeliveryId, EndpointId, MerchantId
from streams.hints import Standings
from tables.pending import Pending

STOP_SECONDS_MAX = 5.0
"""Attempts still under way after so long are cancelled: they are pending, and made again."""


class DeliveryLanes:
    """Every delivery that this process has to make; the notifying step offers and withdraws them.

    Everything runs on one event loop, and nothing polls: offers, results and timers (the earliest
    due time, the oldest attempt under way, the end of a pause) are what begins attempts. Only a
    window of each lane is in memory; what finds no room there waits in the table.
    """

    def __init__(
        self,
        outside: Outside,
        *,
        pending: Pending,
        clock: Clock,
        standings: Standings | None = None,
        limits: Limits | None = None,
        call_later: CallLater | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._standings = standings
        self._monotonic = outside.monotonic
        self._call_later = call_later
        self._board = Board(self._limits, outside.monotonic)
        self._lanes: dict[EndpointId, Lane] = {}
        self._held = Holding(self._limits, clock, outside.monotonic)
        self._later = Later(outside.monotonic, self._is_due)
        self._sweeper = Sweeper(pending, outside.monotonic, self._held, self._found)
        self._flights = Flights(
            outside,
            slow_seconds=self._limits.slow_seconds,
            landed=self._landed,
            slow=self._slowed,
            recorded=self._pump,
        )
        self._is_running = False

    # --- what the notifying step says

    def offer(self, delivery: Delivery) -> None:
        """Make a delivery when it is due; one that is known in this version is left alone.

        One that comes `after` another waits for it; where the other is not in memory, `follow`
        tells of this one in time.
        """
        known = self._held.get(delivery.delivery_id)
        if known is None:
            self._take(delivery)
        elif (delivery.round, delivery.attempts) > known.version():
            if known.state is State.SENDING:
                known.successor = delivery  # never twice at the same time
            else:
                self._replace(known, delivery)

    def follow(self, delivery: Delivery, ended: DeliveryId) -> None:
        """Make a delivery that came after another, which has ended; not beside its last attempt."""
        before = self._held.ended(ended, delivery.delivery_id)
        known = self._held.get(delivery.delivery_id)
        if known is None:
            self._take(delivery, before, is_first=before is None)
        elif known.behind is not None and known.behind.state is State.DROPPED:
            known.behind = None
            self._schedule(known)

    def withdraw(self, delivery_id: DeliveryId) -> None:
        """Forget a delivery, which is over; an attempt under way ends as it ends."""
        if (entry := self._held.get(delivery_id)) is not None:
            entry.is_over = True
            self._forget(entry)

    def set_endpoint(self, endpoint: Endpoint) -> None:
        """Register, change, enable or disable an endpoint; a disabled one collects."""
        lane = self._lane(endpoint.endpoint_id)
        if lane.endpoint is not None and lane.endpoint.url != endpoint.url:
            self._stand(lane, Standing.FRESH)  # another server, nothing known of it
        if lane.endpoint is not None and lane.endpoint.watched_from != endpoint.watched_from:
            lane.pace.forget()  # a person says that it is well
        lane.endpoint = endpoint
        self._wake(lane)

    def remove_endpoint(self, endpoint_id: EndpointId) -> None:
        """Forget an endpoint and everything that waits for it."""
        if (lane := self._lanes.pop(endpoint_id, None)) is None:
            return
        lane.endpoint = None
        for entry in self._held.of(lane):
            self._forget(entry)

    def keep(self, is_ours: Callable[[MerchantId], bool]) -> None:
        """Forget the merchants that another worker delivers to from now on.

        An attempt under way ends as it ends, and its result is published: whoever has the
        merchant reads it from the log.
        """
        for entry in self._held.all():
            if not is_ours(entry.delivery.merchant_id):
                self._forget(entry)
        for endpoint_id, lane in list(self._lanes.items()):
            if lane.endpoint is not None and not is_ours(lane.endpoint.merchant_id):
                lane.endpoint = None
                del self._lanes[endpoint_id]

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
        self._flights.start(self._call_later)
        self._sweeper.start(self._call_later)
        for lane in self._lanes.values():
            self._refill(lane)
        self._pump()

    def pause(self) -> None:
        """Begin nothing more until `start` is called again; what is under way goes on."""
        self._is_running = False
        self._sweeper.stop()

    async def stop(self, *, seconds_max: float = STOP_SECONDS_MAX) -> None:
        """Begin nothing more and wait, within a bound, for what is under way."""
        self.pause()
        self._later.stop()
        await self._flights.stop(seconds_max)

    @property
    def in_flight(self) -> int:
        """Attempts under way now."""
        return len(self._flights)

    @property
    def waiting(self) -> int:
        """Deliveries in memory that are not finished and not under way now."""
        return len(self._held) - len(self._flights)

    # --- the way of a delivery

    def _lane(self, endpoint_id: EndpointId) -> Lane:
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            lane = self._lanes[endpoint_id] = Lane()
        return lane

    def _take(
        self, delivery: Delivery, before: Entry | None = None, *, is_first: bool = False
    ) -> None:
        if delivery.after and not is_first:
            before = before or self._held.by_key(delivery.after)
            if before is None or before.follower is not None:
                # It is told of again when the other one has ended, if that is not over already.
                self._sweeper.look_again(self._lane(delivery.endpoint_id))
                return
        entry = self._entry(delivery)
        if entry is not None and before is not None and not before.is_delivered:
            entry.wait_behind(before)
        elif entry is not None:
            self._schedule(entry)

    def _entry(self, delivery: Delivery, known: Entry | None = None) -> Entry | None:
        """A new entry, if there is room for it; else the delivery waits in the table."""
        lane = self._lane(delivery.endpoint_id)
        entry = self._held.enter(delivery, lane, known=known)
        if entry is None:
            self._refill(lane)
        return entry

    def _schedule(self, entry: Entry) -> None:
        entry.state = State.WAITING
        if entry.window is Window.LATER:
            self._later.push(entry)
        else:
            self._turn_comes(entry)

    def _is_due(self, entry: Entry) -> None:
        self._held.move(entry, Window.DUE)
        self._turn_comes(entry)

    def _turn_comes(self, entry: Entry) -> None:
        entry.lane.push(entry)
        self._board.enlist(entry.lane)
        self._pump()

    def _found(self, lane: Lane, delivery: Delivery) -> None:
        """A delivery that waited in the table, and is due, has room in memory now."""
        entry = Entry(delivery, lane, window=Window.DUE)
        before = self._held.before(delivery.delivery_id, delivery.after)
        if before is None:
            self._held.add(entry)
            self._turn_comes(entry)
        elif before.follower is None and not before.is_delivered:
            self._held.add(entry)
            entry.wait_behind(before)

    def _replace(self, known: Entry, delivery: Delivery) -> None:
        """The same delivery in a newer version takes its place, also in the row."""
        known.state = State.DROPPED
        self._held.remove(known)
        self._flights.decided(known)
        entry, before = self._entry(delivery, known), known.leave()
        if entry is None:
            self._held.drop_row(known)  # who waits behind is told of when this one has ended
            return
        known.hand_over(entry)
        self._schedule(entry) if before is None else entry.wait_behind(before)

    def _forget(self, entry: Entry) -> None:
        if entry.state is State.SENDING:
            entry.is_withdrawn = True  # remembered until it lands, so that it is not sent beside
            entry.successor = None
        else:
            entry.state = State.DROPPED
            entry.step_out()
            self._held.drop_row(entry)  # what it held up waits in the table until `follow`
            self._held.remove(entry)
            self._flights.decided(entry)
            self._refill(entry.lane)

    def _refill(self, lane: Lane) -> None:
        if self._is_running:
            self._sweeper.want(lane)

    def _pump(self) -> None:
        if self._is_running and self._flights.has_room:
            self._board.fill(self._flights.begin)

    # --- what attempts say

    def _landed(self, entry: Entry, attempt: Attempt, begun: float) -> None:
        lane, now = entry.lane, self._monotonic()
        lane.overdue -= entry.is_overdue
        closed_until = lane.pace.closed_until
        lane.pace.landed(attempt, begun=begun, now=now, in_flight=lane.in_flight)
        self._board.release(lane)
        self._held.landed(entry)
        self._stand(lane, lane.standing_after(attempt, self._limits))
        entry.state, entry.tried = State.AWAITING, (attempt, begun)
        is_success, wanted = attempt.status_code in SUCCESS, entry.successor
        if is_success and wanted is not None and wanted.round == entry.delivery.round:
            entry.successor = None  # a retry, of an attempt that another process made before
        if is_success or entry.is_over:
            # What is recorded of it comes in a moment, and changes nothing for the next one.
            entry.is_delivered = True
            if (follower := entry.release()) is not None:
                self._schedule(follower)
        if entry.successor is not None:
            self._replace(entry, entry.successor)
        elif entry.is_withdrawn:
            self._forget(entry)
            # Its row may have come back meanwhile, and was left alone because of this attempt.
            self._sweeper.look_again(self._lanes.get(entry.delivery.endpoint_id))
        if lane.pace.closed_until > closed_until:
            self._later.ring_after(lambda: lane.pace.closed_until, lambda: self._wake(lane))
        self._wake(lane)

    def _wake(self, lane: Lane) -> None:
        self._board.enlist(lane)
        self._refill(lane)
        self._pump()

    def _slowed(self, entry: Entry, begun: float) -> None:
        entry.lane.pace.slowed(begun, self._monotonic())
        self._stand(entry.lane, entry.lane.standing_when_slow())

    def _stand(self, lane: Lane, standing: Standing) -> None:
        self._board.stand(lane, standing)
        if self._standings is not None and lane.endpoint is not None:
            self._standings.put(lane.endpoint.endpoint_id, standing)
