"""Looks host names up on threads of its own, so that a slow name delays nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from aiohttp.abc import AbstractResolver, ResolveResult

from streams.clock import monotonic_seconds

T = TypeVar("T")
Question = tuple[str, int, int]
"""Host name, port, address family."""
LookUp = Callable[[str, int, int], list[ResolveResult]]

THREADS_MAX = 64
SLOW_THREADS_MAX = 8
SECONDS_MAX = 4.0
"""Less than connecting may take in all, so that a name without an answer is told as such."""
ANSWER_SECONDS = 30.0
"""How long an answer holds: the system's resolver does not tell the TTL."""
SLOW_SECONDS = 60.0
NAMES_MAX = 4_096


class Remembered(Generic[T]):
    """Values by question for a while, and only so many: the oldest is forgotten first."""

    def __init__(self, *, seconds: float, names_max: int, monotonic: Callable[[], float]) -> None:
        self._seconds, self._names_max, self._monotonic = seconds, names_max, monotonic
        self._values: OrderedDict[Question, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def remember(self, question: Question, value: T) -> None:
        """Keep a value from now on."""
        self._values[question] = (self._monotonic(), value)
        self._values.move_to_end(question)
        if len(self._values) > self._names_max:
            self._values.popitem(last=False)

    def recall(self, question: Question) -> T | None:
        """The value, unless it is too old or unknown."""
        at, value = self._values.get(question, (0.0, None))
        return value if self._monotonic() - at < self._seconds else None


class SystemResolver(AbstractResolver):
    """The system's resolver: one lookup of a name at a time, within a time, its answer kept.

    A lookup cannot be ended and may hold its thread for longer than anybody waits. A name that
    did so is looked up on a few other threads for a while: however many names hang, and whoever
    registers them, the others find a free thread soon.
    """

    def __init__(
        self,
        *,
        threads_max: int = THREADS_MAX,
        names_max: int = NAMES_MAX,
        seconds_max: float = SECONDS_MAX,
        look_up: LookUp | None = None,
        monotonic: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self._seconds_max = seconds_max
        self._look_up = look_up or look_up_name
        self._pool = ThreadPoolExecutor(threads_max, thread_name_prefix="dns")
        self._slow_pool = ThreadPoolExecutor(SLOW_THREADS_MAX, thread_name_prefix="dns-slow")
        self._running: dict[Question, asyncio.Future[list[ResolveResult]]] = {}
        recent = partial(Remembered, names_max=names_max, monotonic=monotonic)
        self._answers: Remembered[list[ResolveResult]] = recent(seconds=ANSWER_SECONDS)
        self._slow: Remembered[bool] = recent(seconds=SLOW_SECONDS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host; raises `socket.gaierror`, also when it takes too long."""
        question = (host, port, family)
        known = self._answers.recall(question)
        if known is not None:
            return list(known)
        running = self._running.get(question) or self._begin(question)
        try:
            # Shielded: others wait for the same answer, and the next attempt can use it.
            return list(await asyncio.wait_for(asyncio.shield(running), self._seconds_max))
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer in time") from None

    async def close(self) -> None:
        """Let go of every lookup; threads in the middle of one end with it."""
        for running in list(self._running.values()):
            running.cancel()
        for pool in (self._pool, self._slow_pool):
            pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, question: Question) -> asyncio.Future[list[ResolveResult]]:
        pool = self._slow_pool if self._slow.recall(question) else self._pool
        work = pool.submit(self._look_up, *question)
        loop = asyncio.get_running_loop()
        overdue = loop.call_later(self._seconds_max, self._suspect, question, work)
        running = asyncio.wrap_future(work)
        self._running[question] = running
        running.add_done_callback(partial(self._done, question, overdue))
        return running

    def _suspect(self, question: Question, work: Future[list[ResolveResult]]) -> None:
        if work.running():  # one that still waits for a thread may be as quick as any
            self._slow.remember(question, value=True)

    def _done(
        self,
        question: Question,
        overdue: asyncio.TimerHandle,
        running: asyncio.Future[list[ResolveResult]],
    ) -> None:
        overdue.cancel()
        del self._running[question]
        # Asking for the exception also says that nobody needs to be waiting for it any more.
        if not running.cancelled() and running.exception() is None:
            self._answers.remember(question, running.result())


def look_up_name(host: str, port: int, family: int) -> list[ResolveResult]:
    """Ask the system, and wait as long as it takes; raises `socket.gaierror`."""
    try:
        infos = socket.getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    except UnicodeError:  # the codec of host names, for a name that no server could know
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=found,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for found, _, protocol, _, address in infos
    ]
