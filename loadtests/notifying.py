"""The notifying stage alone: its worker, the log that feeds it, and the receiver it tells."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from connectors.log.elements import Element, size_of
from connectors.log.sqlitelog import SqliteLog
from connectors.sealing import Sealer
from loadtests.arrivals import Arrival
from loadtests.delivery_truth import Heard, Recorded, check_arrivals
from loadtests.generator import Answered, offer
from loadtests.load import STALLED_SECONDS_MAX, Load, until_told
from loadtests.processes import Watch
from loadtests.receiving import Receiving, start_receiving
from loadtests.shops import APART, MASTER_KEY, MASTER_KEY_TEXT, Shop
from ops.audit import lag_by_stage
from ops.children import Child, ChildSpec
from ops.engines import partitions_of, setup
from ops.settings import READY_FD, SUPERVISED_BY, read
from streams.clock import system_clock
from streams.ports import Record

ENVIRONMENT = {
    "KESHIKOMI_ADMIN_KEY": "bench-admin-key-0123456789",
    "KESHIKOMI_MASTER_KEY": MASTER_KEY_TEXT,
    "KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS": "true",
}
"""Everything else is as anyone gets it."""
READY_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 30.0
RECORDS_PER_APPEND = 500
ACCEPTED, REFUSED = 200, 503
LOG_TAIL_CHARACTERS = 4_000


class LogClient:
    """Offers records to the log; they are accepted when they are durable."""

    starved = 0

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Nothing needs to be opened."""

    def fire(self, request: Record, answered: Answered) -> None:
        """Append a record now; never waits."""
        rows, _ = self._log.rows_of((request,))
        settled = partial(self._settled, answered)
        self._log.enqueue(Element(rows=rows, size_bytes=size_of(rows), settled=settled))

    def _settled(self, answered: Answered, _element: Element, error: BaseException | None) -> None:
        """In the writer's thread, so that the time is that of the commit."""
        at_ns = time.perf_counter_ns()
        status = ACCEPTED if error is None else REFUSED
        self._loop.call_soon_threadsafe(answered, status, b"", at_ns)


class Notifying:
    """One worker of the notifying stage; whoever makes it starts the worker and closes all."""

    def __init__(
        self, folder: Path, receiver: Receiving, environment: Mapping[str, str] | None = None
    ) -> None:
        """`environment` are settings beside the defaults."""
        data = {"KESHIKOMI_DATA": str(folder / "data")}
        self._environment = {**os.environ, **ENVIRONMENT, **data, **(environment or {})}
        settings = read(self._environment, {})
        settings.data.mkdir(parents=True)
        setup(settings)
        self.log = SqliteLog(settings.log_path, on_failure=None)
        self.log_path = folder / "worker.log"
        self.receivers = [receiver]
        self.shops: list[Shop] = []
        self.arrivals: list[Arrival] = []
        self._taken: dict[int, int] = {}
        self._recorded = Recorded(self.log)
        self._sealer = Sealer([MASTER_KEY])
        self._child: Child | None = None

    # --- the worker

    @property
    def worker(self) -> Child:
        """The worker that was started last."""
        assert self._child is not None, "start() comes first"
        return self._child

    def spawn(self) -> None:
        """Start a worker; it need not be ready yet."""
        command = (sys.executable, "-m", "ops.cli", "worker", "--stage", "notifying")
        # The shell becomes the worker; it is there for the worker's log alone.
        logged = ("/bin/sh", "-c", 'exec "$@" >> "$0" 2>&1', str(self.log_path))
        self._child = Child(
            ChildSpec(name="worker", command=(*logged, *command)),
            environment={**self._environment, SUPERVISED_BY: str(os.getpid())},
            ready_variable=READY_FD,
        )

    async def start(self) -> float:
        """Start a worker and wait until it is ready; returns the seconds that it took."""
        began = time.perf_counter()
        self.spawn()
        await self.wait_ready()
        return time.perf_counter() - began

    async def wait_ready(self) -> None:
        """Return when the worker says that it takes work; raises when it ends instead."""
        worker = self.worker
        waits = [asyncio.ensure_future(each.wait()) for each in (worker.ready, worker.ended)]
        await asyncio.wait(waits, timeout=READY_SECONDS_MAX, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not worker.ready.is_set() or worker.ended.is_set():
            tail = self.log_path.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
            raise RuntimeError(f"the worker is not ready; its log ends:\n{tail}")

    async def kill(self) -> None:
        """End the worker at once, as `kill -9` does."""
        self.worker.kill()
        await self.worker.ended.wait()

    async def stop(self) -> None:
        """End the worker in order."""
        await self.worker.stop(STOP_SECONDS_MAX)

    # --- what it is fed

    async def add_shops(
        self, paths: Sequence[str], *, apart: int = APART, port: int = 0
    ) -> list[Shop]:
        """Register shops whose servers are at these paths, of the receiver unless a port is given.

        Those whose servers hang need not have received everything.
        """
        began = system_clock()
        made = [
            Shop(
                path=path,
                port=port or self.receivers[0].port,
                began=began,
                apart=apart,
                is_complete=not path.startswith("/hang/"),
            )
            for path in paths
        ]
        await self.log.append([shop.registration(self._sealer) for shop in made])
        self.shops += made
        await self.quiet()
        return made

    async def load(
        self,
        shops: Iterable[Shop],
        rate: float,
        *,
        stalled_seconds: float = STALLED_SECONDS_MAX,
        is_awaited: bool = True,
    ) -> Load:
        """Write one notification for each shop named, at a rate, and wait until all were told.

        Without `is_awaited` it ends with the last record.
        """
        owners = list(shops)
        records, references = zip(*(shop.next_record() for shop in owners), strict=True)
        seen = len(self.arrivals)
        offset_ns = int(system_clock().timestamp() * 1e9) - time.perf_counter_ns()
        async with Watch(self.processes()) as watch:
            offered = await offer(LogClient(self.log), records, rate)
            ended = time.perf_counter()
            if is_awaited:
                await self.told(stalled_seconds)
            drained_seconds = time.perf_counter() - ended
        await self.take_arrivals()
        load = Load(
            offered=offered,
            references=list(references),
            merchants=owners,
            arrivals={},
            wall_offset_ns=offset_ns,
            drained_seconds=drained_seconds,
            watch=watch,
            around=frozenset(self.processes().keys() - {"worker"}),
        )
        self.sort_in(load, seen)
        return load

    def sort_in(self, load: Load, first: int = 0) -> None:
        """Give a load the first success of each of its notifications, from this arrival on."""
        ours = set(load.references)
        for arrival in self.arrivals[first:]:
            if arrival.status == ACCEPTED and arrival.reference in ours:
                load.arrivals.setdefault(arrival.reference, arrival)

    async def pour(self, shop: Shop, count: int) -> None:
        """Write so many notifications for one shop, as fast as the log takes them."""
        records = (shop.next_record()[0] for _ in range(count))
        while some := list(itertools.islice(records, RECORDS_PER_APPEND)):
            await self.log.append(some)

    # --- what comes of it

    async def told(self, stalled_seconds: float = STALLED_SECONDS_MAX) -> None:
        """Wait until everything was told that can be, for as long as more of it is."""
        complete = {shop.path: shop.count for shop in self.shops if shop.is_complete}

        async def served() -> int:
            found = [await receiver.served() for receiver in self.receivers]
            return sum(each.get(path, 0) for each in found for path in complete)

        await until_told(served, sum(complete.values()), stalled_seconds=stalled_seconds)

    async def quiet(self, stalled_seconds: float = STALLED_SECONDS_MAX) -> None:
        """Wait until the worker has read everything."""
        partitions = partitions_of(self.log)

        async def taken() -> int:
            return -lag_by_stage(self.log, partitions)["notifying"]

        await until_told(taken, 0, stalled_seconds=stalled_seconds)

    async def take_arrivals(self) -> None:
        """Fetch what came since the last time, in order for each receiver."""
        for place, receiver in enumerate(self.receivers):
            found = await receiver.new_arrivals(self._taken.get(place, 0))
            self._taken[place] = self._taken.get(place, 0) + len(found)
            self.arrivals += found

    async def judge(self, *, repeats_allowed: bool = False) -> tuple[int, list[str]]:
        """How many came again, and everything that is not true after all that was done so far."""
        await self.take_arrivals()
        heard, faults = check_arrivals(self.shops, self.arrivals, repeats_allowed=repeats_allowed)
        await self._until_recorded(heard.values())
        faults += self._recorded.judge(heard.values())
        return sum(each.repeats for each in heard.values()), faults

    async def _until_recorded(self, heard: Iterable[Heard]) -> None:
        want = sum(len(each.successes) for each in heard if each.shop.is_complete)

        async def recorded() -> int:
            self._recorded.read()
            return len(self._recorded.delivered)

        await until_told(recorded, want)

    def processes(self) -> dict[str, int]:
        """The processes of the run, by name."""
        receivers = {
            f"receiver {place}" if place else "receiver": receiver.pid
            for place, receiver in enumerate(self.receivers)
        }
        return {"worker": self.worker.pid, **receivers, "generator": os.getpid()}

    async def close(self) -> None:
        """End everything."""
        if self._child is not None:
            await self.kill()
        for receiver in self.receivers:
            await receiver.close()
        self.log.close()


@asynccontextmanager
async def notifying(
    folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Notifying]:
    """A ready worker in a directory of its own, and a receiver."""
    made = Notifying(folder, await start_receiving(), environment)
    try:
        await made.start()
        yield made
    finally:
        await made.close()
