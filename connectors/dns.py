"""Looks host names up beside everything else, and keeps each answer for as long as it holds."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import aiodns
from aiodns import error as dns_error
from aiohttp.abc import AbstractResolver, ResolveResult

from streams.clock import monotonic_seconds

Question = tuple[str, int, int]
"""Host name, port, address family."""

SECONDS_MAX = 4.0
"""Less than connecting may take in all, so that a name without an answer is told as such."""
TRY_SECONDS = 1.5
TRIES = 2
ANSWER_SECONDS_MIN = 1.0
"""Also of an answer that says it must not be kept: a burst of deliveries asks once."""
ANSWER_SECONDS_MAX = 3_600.0
NAMES_MAX = 4_096
RUNNING_MAX = 1_024
"""Names that are looked up at a time: so many that do not answer cost nobody but themselves."""

NO_SUCH_NAME = frozenset(
    {dns_error.ARES_ENODATA, dns_error.ARES_ENOTFOUND, dns_error.ARES_EBADNAME}
)
UNANSWERED = frozenset(
    {
        *(dns_error.ARES_ETIMEOUT, dns_error.ARES_ECONNREFUSED, dns_error.ARES_ESERVFAIL),
        *(dns_error.ARES_ECANCELLED, dns_error.ARES_EDESTRUCTION),
    }
)


class Answers:
    """Addresses by question until their time is over, and only so many: the oldest goes first."""

    def __init__(self, *, names_max: int, monotonic: Callable[[], float]) -> None:
        self._names_max, self._monotonic = names_max, monotonic
        self._known: OrderedDict[Question, tuple[float, list[ResolveResult]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def remember(self, question: Question, found: list[ResolveResult], *, seconds: float) -> None:
        """Keep an answer for a time, within bounds."""
        held_seconds = min(max(seconds, ANSWER_SECONDS_MIN), ANSWER_SECONDS_MAX)
        self._known[question] = (self._monotonic() + held_seconds, found)
        self._known.move_to_end(question)
        if len(self._known) > self._names_max:
            self._known.popitem(last=False)

    def recall(self, question: Question) -> list[ResolveResult] | None:
        """The answer, unless its time is over or there is none."""
        until, found = self._known.get(question, (0.0, None))
        return found if self._monotonic() < until else None


class Resolver(AbstractResolver):
    """The name servers of the system, asked without a thread for each name.

    One look-up of a name at a time, within a time; its answer is kept for its TTL, a failure is
    not. `/etc/hosts` comes first, as with the system's own resolver.
    """

    def __init__(
        self,
        *,
        name_servers: Sequence[str] | None = None,
        names_max: int = NAMES_MAX,
        running_max: int = RUNNING_MAX,
        seconds_max: float = SECONDS_MAX,
        monotonic: Callable[[], float] = monotonic_seconds,
    ) -> None:
        """`name_servers` are addresses with ports; None is those of the system."""
        self._seconds_max, self._running_max = seconds_max, running_max
        self._dns = aiodns.DNSResolver(name_servers, timeout=TRY_SECONDS, tries=TRIES)
        self._running: dict[Question, asyncio.Task[list[ResolveResult]]] = {}
        self._answers = Answers(names_max=names_max, monotonic=monotonic)

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
        """Let go of every look-up."""
        for running in list(self._running.values()):
            running.cancel()
        await self._dns.close()

    def _begin(self, question: Question) -> asyncio.Task[list[ResolveResult]]:
        if len(self._running) >= self._running_max:
            raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
        running = asyncio.create_task(self._look_up(question))
        self._running[question] = running
        running.add_done_callback(partial(self._done, question))
        return running

    def _done(self, question: Question, running: asyncio.Task[list[ResolveResult]]) -> None:
        del self._running[question]
        if not running.cancelled():
            running.exception()  # nobody needs to be waiting for it any more

    async def _look_up(self, question: Question) -> list[ResolveResult]:
        host, port, family = question
        try:
            answer = await self._dns.getaddrinfo(
                host, family=socket.AddressFamily(family), port=port, type=socket.SOCK_STREAM
            )
        except aiodns.error.DNSError as error:
            raise _told(error) from None
        except UnicodeError:  # the codec of host names, for a name that no server could know
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
        found = [_result(host, port, node.family, node.addr[0]) for node in answer.nodes]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        self._answers.remember(question, found, seconds=min(node.ttl for node in answer.nodes))
        return found


def _told(error: aiodns.error.DNSError) -> socket.gaierror:
    code, text = error.args[:2]
    if code in NO_SUCH_NAME:
        return socket.gaierror(socket.EAI_NONAME, text)
    return socket.gaierror(socket.EAI_AGAIN if code in UNANSWERED else socket.EAI_FAIL, text)


def _result(host: str, port: int, family: int, address: bytes) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address.decode(),
        port=port,
        family=family,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
