"""One peer under load: offers events on schedule, waits for their webhooks, judges what came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from loadtests.arrivals import Arrival, Webhook, checked, wall_offset_ns
from loadtests.generator import Client, Fires, offer
from loadtests.load import POLL_SECONDS, Load, until_told
from loadtests.peers.costs import Used, uses
from loadtests.peers.peer import Endpoint, Events, Peer
from loadtests.processes import Watch
from loadtests.receiving import OK, start_receiving
from loadtests.verify import check_webhooks

WARM_UP_RATE = 40.0
WARM_UP_COUNT = 80
PATIENCE_SECONDS = 40.0
"""So long nothing more may come before what is missing counts as lost."""
WAIT_SECONDS_MAX = 150.0


class Hears(Protocol):
    """The receiver, as far as a load asks it."""

    async def served(self) -> Mapping[str, int]:
        """How many different webhooks were answered by success, by path."""

    async def new_arrivals(self, first: int) -> list[Arrival]:
        """What came from this place on."""


@dataclass(slots=True, kw_only=True)
class Session:
    """A peer, a receiver of its own, and everything that was sent and that came."""

    peer: Peer
    receiver: Hears
    client: Fires
    endpoints: list[Endpoint] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    _events: int = 0

    async def add_endpoints(self, paths: Sequence[str]) -> list[Endpoint]:
        """New addressees at these paths of the receiver."""
        made = [await self.peer.add_endpoint(path) for path in paths]
        self.endpoints += made
        return made

    async def events(self, endpoints: Sequence[Endpoint], count: int) -> Events:
        """So many new events that can be sent, in turn for each of the endpoints."""
        begin, self._events = self._events, self._events + count
        made = [
            (endpoints[number % len(endpoints)], f"ORD-{begin + number:07d}")
            for number in range(count)
        ]
        await self.peer.prepare(made)
        return made

    async def load(
        self,
        events: Events,
        rate: float,
        *,
        patience: float = PATIENCE_SECONDS,
        wait: float = WAIT_SECONDS_MAX,
    ) -> tuple[Load, Used]:
        """Offer events that are prepared, then wait until all living endpoints were told.

        Ends also when nothing more came for `patience`, or after `wait` seconds.
        """
        requests = [self.peer.event(endpoint, reference) for endpoint, reference in events]
        before = uses(self.peer.processes())
        offered = await offer(self.client, requests, rate)
        for (endpoint, reference), status in zip(events, offered.statuses, strict=True):
            endpoint.note(reference, status)
        seen, ended = len(self.arrivals), time.perf_counter()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_told(patience), wait)
        drained = time.perf_counter() - ended
        await self.peer.quiet()
        used = Used.between(before, uses(self.peer.processes()))
        await self._collect()
        arrivals = self.arrivals[seen:]
        first: dict[str, Webhook] = {}
        for arrival in arrivals:
            first.setdefault(arrival.reference, arrival)
        load = Load(
            offered=offered,
            references=[reference for _, reference in events],
            merchants=[endpoint for endpoint, _ in events],
            arrivals=first,
            wall_offset_ns=0,
            drained_seconds=drained,
            watch=Watch({}),
            around=frozenset(),
            repeats=len(arrivals) - len(first),
        )
        return load, used

    async def _all_told(self, patience: float) -> None:
        """Wait until every accepted event of living endpoints has come, while more come."""
        wanted = {each for to in self.endpoints if not to.is_dead for each in to.accepted}
        # Counting costs the machine next to nothing, but counts what was never accepted too.
        await until_told(self._count, len(wanted), stalled_seconds=patience)
        since = time.perf_counter()
        while time.perf_counter() - since < patience:
            if await self._collect():
                since = time.perf_counter()
            if wanted <= {arrival.reference for arrival in self.arrivals if arrival.status == OK}:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _count(self) -> int:
        served = await self.receiver.served()
        return sum(served.values())

    async def _collect(self) -> int:
        """Take what has come; returns how many that were."""
        new = await self.receiver.new_arrivals(len(self.arrivals))
        self.arrivals += new
        return len(new)

    def wrong(self, *, repeats_allowed: bool, complete: bool) -> Iterator[str]:
        """What was told that should not have been, or not as it should, or not at all."""
        by_path: dict[str, list[Arrival]] = {}
        for arrival in self.arrivals:
            by_path.setdefault(arrival.path, []).append(arrival)
        offset_ns = wall_offset_ns()
        for endpoint in self.endpoints:
            came = [
                checked(each, endpoint.secret, offset_ns) for each in by_path.pop(endpoint.path, [])
            ]
            expected = endpoint.expected(complete=complete)
            yield from check_webhooks(expected, came, repeats_allowed=repeats_allowed)
        yield from (f"{path}: no endpoint has this address" for path in by_path)


@asynccontextmanager
async def session(peer: Peer) -> AsyncIterator[Session]:
    """A peer that is ready and warmed up, with a receiver that is a process of its own."""
    receiver = await start_receiving()
    try:
        await peer.start(receiver)
        client = Client(peer.port)
        made = Session(peer=peer, receiver=receiver, client=client)
        warm = await made.add_endpoints(["/ok/warm-up"])
        await made.load(await made.events(warm, WARM_UP_COUNT), WARM_UP_RATE)
        yield made
        await client.close()
    finally:
        await peer.close()
        await receiver.close()
