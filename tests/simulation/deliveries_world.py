"""The notifying step and the delivery lanes in one process, among endpoints, clocks and crashes.

The log, the tables and the endpoints are virtual; the step and the lanes are the real ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from agents.delivery import DeliveryLanes
from agents.flights import Outside
from agents.gathering import Gathering
from agents.lane import Limits, Standing
from agents.notifying import notifying
from agents.together import records_of
from streams.codecs import decode_counter, decode_delivery, decode_endpoints
from streams.domain.delivery import Attempt, Delivery, Endpoint, Target
from streams.domain.ids import EndpointId, MerchantId
from streams.messages import AttemptMade
from streams.ports import Record
from streams.topics import NOTIFICATIONS
from tables.pending import Pending
from tests.simulation.fake_log import PARTITIONS, Durability, FakeLog
from tests.simulation.moving import OurLanes
from tests.simulation.network import Network, Temper
from tests.simulation.processes import LoggedTable, Process
from tests.simulation.virtual_time import Life, WallClock

LOG_SECONDS = 0.002
"""How long the log takes, on average, for whatever is asked of it."""
TURNS_MAX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What was under way when an attempt began, with it."""

    life: int
    standing: Standing
    in_all: int
    in_standing: int
    in_memory: int


class KnownStandings:
    """How endpoints stand, as the lanes say it; the next process may be told of it or not."""

    def __init__(self) -> None:
        self.now: dict[EndpointId, Standing] = {}
        self.is_forgotten = False

    def put(self, endpoint_id: EndpointId, standing: str) -> None:
        self.now[endpoint_id] = Standing(standing)

    async def get(self, endpoint_ids: Collection[EndpointId]) -> dict[EndpointId, str]:
        known = {} if self.is_forgotten else self.now
        self.now = {one: known[one] for one in endpoint_ids if one in known}
        return {one: str(standing) for one, standing in self.now.items()}

    async def close(self) -> None:
        raise AssertionError("the lanes do not own it")


class DeliveriesWorld:
    """Everything outside the process, and the process, which may end and begin at any moment."""

    def __init__(
        self,
        seed: str,
        *,
        make_durability: Callable[[FakeLog], Durability],
        tempers: Mapping[EndpointId, Temper],
        limits: Limits,
        is_hasty: bool = False,
    ) -> None:
        """`is_hasty` is whether the step does all it can at once, always after the same time."""
        self.random = Random(seed)  # noqa: S311  # a simulation wants chance that can be repeated
        self.limits, self._is_hasty = limits, is_hasty
        self._make_durability = make_durability
        self._loop = asyncio.get_running_loop()
        self.clock = WallClock()
        self.network = Network(seed, self.clock, tempers)
        self.standings = KnownStandings()
        self.begun: list[Begun] = []
        self.stops: list[str] = []
        self.entries_max = 0
        self.log = FakeLog(self.clock)
        self.endpoints = LoggedTable(self.log, "endpoints", decode_endpoints)
        self.deliveries = LoggedTable(self.log, "deliveries", decode_delivery)
        self.pending = Pending(self.deliveries, counters=self.deliveries.view(decode_counter))
        self.lives: list[Life] = []
        self.away: set[MerchantId] = set()
        self.moves: list[float] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_awake = False
        self.begin()

    @property
    def life(self) -> Life:
        """The latest run of the process."""
        return self.lives[-1]

    def rows_pending(self) -> list[Delivery]:
        """What stands in the table beside its counters."""
        keys = [key for key in self.deliveries if not key.startswith(b"#")]
        return [self.deliveries[key] for key in keys]

    def known_endpoints(self) -> list[Endpoint]:
        return [endpoint for row in self.endpoints.values() for endpoint in row]

    def append(self, records: Sequence[Record]) -> None:
        """Write to the log, as the API and the settling step do."""
        self.log.append(records)
        self._wake()

    # --- the process

    def begin(self) -> None:
        """The process starts: it has what was durable, and nothing else."""
        self.lives.append(Life())
        self._is_awake = False
        self.lanes = DeliveryLanes(
            self._outside(self.life),
            pending=self.pending,
            clock=self.clock,
            standings=self.standings,
            limits=self.limits,
            call_later=self.life.call_later,
        )
        ours = OurLanes(self.lanes, self.away)
        self._process = Process(
            topic=NOTIFICATIONS.name,
            step=notifying(endpoints=self.endpoints, pending=self.pending, lanes=ours),
            log=self.log,
            durability=self._make_durability(self.log),
            tables=(self.endpoints, self.deliveries),
        )
        self._process.restart()
        self._share_out()

    def move(self, merchant: MerchantId, *, away: bool) -> None:
        """Another worker gets the partition of a merchant, and sends nothing; or gives it back."""
        self.moves.append(self._loop.time())
        if away:
            self.away.add(merchant)
        else:
            self.away.discard(merchant)
        if not self.life.is_over:
            self.lanes.pause()
            self.lanes.keep(lambda each: each not in self.away)
            self._share_out()

    def _share_out(self) -> None:
        for endpoint in self.known_endpoints():
            if endpoint.merchant_id not in self.away:
                self.lanes.set_endpoint(endpoint)
        self._run(self._take_up(self.life))

    def kill(self) -> None:
        """The process is no more, wherever it stood."""
        self.life.end()

    def stop(self, then: Callable[[], None]) -> None:
        """The process ends as it is asked to, unless something else ends it before."""
        self._run(self._stop(self.life, then))

    async def _stop(self, life: Life, then: Callable[[], None]) -> None:
        await self.lanes.stop()
        if not life.is_over:
            life.end()
            then()

    async def _take_up(self, life: Life) -> None:
        await self.lanes.recall()
        if not life.is_over:
            await self.lanes.start()
            self._wake()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what it reads, and what becomes durable

    def _wake(self) -> None:
        if not self._is_awake and not self.life.is_over:
            self._is_awake = True
            self.life.call_later(self._log_seconds(), self._read)

    def _read(self) -> None:
        self._is_awake = False
        for _ in range(1_000_000 if self._is_hasty else self.random.randrange(1, TURNS_MAX)):
            if not self._move_one():
                return
            self.entries_max = max(self.entries_max, self._in_memory())
        self._wake()

    def _move_one(self) -> bool:
        read, harden = self._process.read_one, self._process.durability.harden_one
        one, other = (read, harden) if self.random.random() < 0.5 else (harden, read)
        return one(self.random) or other(self.random)

    def _log_seconds(self) -> float:
        return LOG_SECONDS if self._is_hasty else self.random.expovariate(1 / LOG_SECONDS)

    def _in_memory(self) -> int:
        return self.lanes.waiting + self.lanes.in_flight

    # --- what the lanes need of the world

    def _outside(self, life: Life) -> Outside:
        async def send(
            *, target: Target, webhook_id: str, body: bytes, traceparent: str | None, number: int
        ) -> Attempt:
            if life.is_over:
                raise asyncio.CancelledError
            request = self.network.arrives(
                target=target, webhook_id=webhook_id, body=body, number=number
            )
            self._note(request.endpoint_id)
            return await self.network.answers(request, target.timeout_seconds, life.wait)

        async def append(made: Sequence[AttemptMade]) -> None:
            await life.wait(self._log_seconds())
            self.append(records_of(made, partitions=PARTITIONS))
            await life.wait(self._log_seconds())

        def fail_stop(reason: str) -> None:
            if not life.is_over:  # what was under way in a process that is dead tells nobody
                self.stops.append(reason)

        return Outside(
            send=send,
            open_target=open_target,
            publish=Gathering(append).append,
            fraction=self.random.random,
            observe=lambda *_: None,
            monotonic=self._loop.time,
            fail_stop=fail_stop,
        )

    def _note(self, endpoint_id: EndpointId) -> None:
        """How much is under way, now that one more is."""
        counts = {one: len(found) for one, found in self.network.under_way.items() if found}
        standings = self.standings.now
        standing = standings.get(endpoint_id, Standing.FRESH)
        self.begun.append(
            Begun(
                life=len(self.lives),
                standing=standing,
                in_all=sum(counts.values()),
                in_standing=sum(
                    count
                    for one, count in counts.items()
                    if standings.get(one, Standing.FRESH) is standing
                ),
                in_memory=self._in_memory(),
            )
        )


def open_target(endpoint: Endpoint) -> Target:
    return Target(url=endpoint.url, keys=[], timeout_seconds=endpoint.timeout_seconds)
