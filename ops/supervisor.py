"""Keeps the parts of the product running: starts them in order, restarts them, ends them."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ops.children import Child, ChildSpec
from ops.lock import Lock
from ops.settings import PROCESS, READY_FD, SUPERVISED_BY
from streams.clock import monotonic_seconds

FAILURES_LOUD = 5
"""From so many failed starts in a row on, each one is an alarm."""
PR_SET_PDEATHSIG = 1

logger = logging.getLogger("keshikomi.supervisor")


# --- the child's side


def report_ready() -> None:
    """Tell the supervisor that this process does its work; nothing happens without one."""
    descriptor = os.environ.pop(READY_FD, None)
    if descriptor is not None:
        with suppress(BrokenPipeError):  # the supervisor is gone, and so are we in a moment
            os.write(int(descriptor), b"\n")
        os.close(int(descriptor))


def die_with_supervisor() -> None:
    """Have the kernel kill this process when its supervisor dies; call it first of all."""
    supervisor = os.environ.get(SUPERVISED_BY)
    if supervisor is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The supervisor may have died before the kernel knew our wish.
    if os.getppid() != int(supervisor):
        sys.exit("the supervisor is gone")


def process_name(otherwise: str) -> str:
    """The name that the supervisor gave this process, for logs and metrics."""
    return os.environ.get(PROCESS, otherwise)


# --- the supervisor's side


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long things may take, in seconds."""

    start: float = 30.0
    shutdown: float = 10.0
    backoff_first: float = 0.2
    backoff_max: float = 10.0
    stable_after: float = 60.0
    orphans: float = 30.0
    insist_after: float = 1.0


def backoff_seconds(failures: int, bounds: Bounds) -> float:
    """The wait before a restart: doubled with each failure in a row, within a bound."""
    # Beyond 2**30 the exponent only makes a number that does not fit.
    return min(bounds.backoff_first * 2.0 ** min(failures - 1, 30), bounds.backoff_max)


def _do_nothing(name: str) -> None:
    """What is done about an ended child unless someone wants more."""


class Supervisor:
    """Runs children until it is told to stop; it never gives one up.

    All are started at once, in the order given: the API takes notices while the tables of a
    worker still fill, because it needs the log alone.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        *,
        lock_path: Path,
        environment: Mapping[str, str] | None = None,
        bounds: Bounds | None = None,
        prepare: Callable[[], None] = lambda: None,
        announce: Callable[[], None] = lambda: None,
        forget: Callable[[str], None] = _do_nothing,
        monotonic: Callable[[], float] = monotonic_seconds,
    ) -> None:
        """`prepare` runs under the lock before any child, `announce` when all were ready once.

        `forget` is told the name of each child that ended.
        """
        self._specs = tuple(specs)
        self._environment = {**os.environ, **(environment or {}), SUPERVISED_BY: str(os.getpid())}
        self._lock = Lock(lock_path)
        self._bounds = bounds or Bounds()
        self._prepare, self._announce, self._forget = prepare, announce, forget
        self._monotonic = monotonic
        self._children: dict[str, Child] = {}
        self._first_ready = {spec.name: asyncio.Event() for spec in specs}
        self._stopping = asyncio.Event()
        self._stop_began = 0.0
        self._was_clean = True

    async def run(self) -> bool:
        """Run until a signal or `stop`; true when every child ended by itself when asked to."""
        try:
            await self._lock.take(self._bounds.orphans)
            self._listen()
            try:
                self._prepare()
                await self._supervise()
            finally:
                self._listen_no_more()
        finally:
            self._lock.release()
        return self._was_clean

    async def _supervise(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            keepers = {spec.name: tasks.create_task(self._keep(spec)) for spec in self._specs}
            announcing = tasks.create_task(self._announce_ready())
            await self._stopping.wait()
            announcing.cancel()
            await self._stop_all(keepers)

    def stop(self) -> None:
        """End everything; a second call does not wait any longer.

        One that comes at once is the same wish: `timeout` and some shells signal twice.
        """
        if not self._stopping.is_set():
            self._stop_began = self._monotonic()
        elif self._monotonic() - self._stop_began >= self._bounds.insist_after:
            logger.warning("killing what still runs")
            self._was_clean = False
            for child in self._children.values():
                child.kill()
        self._stopping.set()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)

    def _listen_no_more(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    async def _keep(self, spec: ChildSpec) -> None:
        """Start a child and restart it for as long as nobody stops us.

        Failures in a row are those of its own: not being killed from outside while it worked.
        """
        failures = 0
        while not self._stopping.is_set():
            began = self._monotonic()
            ending, was_at_work = await self._run_once(spec)
            if self._stopping.is_set():
                return
            lasted = self._monotonic() - began
            is_new = was_at_work or lasted >= self._bounds.stable_after
            failures = 1 if is_new else failures + 1
            wait_seconds = backoff_seconds(failures, self._bounds)
            logger.log(
                logging.CRITICAL if failures >= FAILURES_LOUD else logging.ERROR,
                "%s %s after %.1f s (%d in a row); restart in %.1f s",
                *(spec.name, ending, lasted, failures, wait_seconds),
            )
            await self._stopped_within(wait_seconds)

    async def _run_once(self, spec: ChildSpec) -> tuple[str, bool]:
        """Start a child and wait for its end.

        Returns how it ended, and whether it was killed while it was at work.
        """
        try:
            child = Child(
                spec,
                environment={**self._environment, PROCESS: spec.name},
                ready_variable=READY_FD,
                kept=(self._lock.descriptor,),
            )
        except OSError as error:
            return f"cannot be started ({error})", False
        self._children[spec.name] = child
        logger.info("%s started (pid %d)", spec.name, child.pid)
        ready = asyncio.create_task(self._note_ready(child))
        try:
            await child.ended.wait()
        finally:
            ready.cancel()
            self._forget(spec.name)
        return child.ending, child.was_killed and child.ready.is_set()

    async def _note_ready(self, child: Child) -> None:
        began = self._monotonic()
        await child.ready.wait()
        logger.info("%s is ready after %.1f s", child.name, self._monotonic() - began)
        self._first_ready[child.name].set()

    async def _announce_ready(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._bounds.start):
                await self._all_ready()
        if late := [name for name, ready in self._first_ready.items() if not ready.is_set()]:
            logger.error("not ready after %g s: %s", self._bounds.start, ", ".join(late))
            await self._all_ready()
        self._announce()

    async def _all_ready(self) -> None:
        for ready in self._first_ready.values():
            await ready.wait()

    async def _stopped_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _stop_all(self, keepers: Mapping[str, asyncio.Task[None]]) -> None:
        """End the children, the last one first: what feeds ends before what is fed."""
        for spec in reversed(self._specs):
            child = self._children.get(spec.name)
            if child is not None and not child.ended.is_set():
                if not await child.stop(self._bounds.shutdown):
                    self._was_clean = False
                    logger.error("%s did not end in time and was killed", spec.name)
                else:
                    logger.info("%s %s", spec.name, child.ending)
            await keepers[spec.name]
