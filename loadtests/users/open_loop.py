"""What every user of a load does: leave on schedule, whatever the answers do.

A user is one party, with as many connections as it needs. It starts each request at its time in
a greenlet of its own, so that a product that stalls holds up nothing, and the time that counts
for a request is the one at which it was meant to leave.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import gevent  # type: ignore[import-untyped]  # it has no types of its own
from gevent.pool import Pool  # type: ignore[import-untyped]  # nor here
from locust import User

from loadtests.orders import VARIABLE, Orders, read_orders
from loadtests.results import Result, ResultsFile, begin_ns, claim
from loadtests.users.connections import Answer, Connections

CONNECTIONS_MAX = 512
ANSWER_SECONDS_MAX = 60.0
TRIES_MAX = 4
PAUSE_SECONDS = 1.0
"""Who was refused comes again, after ever longer pauses; a provider after hours, but for haste."""
ORDERS = read_orders(Path(os.environ[VARIABLE]))
LEAD_NS = 500_000_000 if ORDERS.workers == 1 else 2_000_000_000
"""The schedule begins so long after the first user is ready: until then all others are."""
SCHEDULE = ORDERS.schedule()

Item = TypeVar("Item")


class OpenLoopUser(User):
    """A user with a share of the schedule; how many share it is how many workers there are."""

    abstract = True
    fixed_count = ORDERS.workers
    answer_seconds_max: ClassVar[float] = ANSWER_SECONDS_MAX

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._connections = self.connections(CONNECTIONS_MAX)
        self._under_way = Pool()

    def connections(self, most: int) -> Connections:
        """Connections to the product."""
        return Connections(ORDERS.port, most=most, seconds_max=self.answer_seconds_max)

    @property
    def orders(self) -> Orders:
        """The run."""
        return ORDERS

    def on_start(self) -> None:
        """Take a share that no other user has, and agree when it all begins."""
        name = type(self).__name__
        self.share = claim(ORDERS.folder, name, ORDERS.workers)
        self.results = ResultsFile(ORDERS.folder, f"{name}-{self.share}")
        self.begin_ns = begin_ns(ORDERS.folder, time.perf_counter_ns() + LEAD_NS)

    def on_stop(self) -> None:
        """Give up what has no answer yet."""
        self._under_way.kill()
        self.results.close()

    def is_mine(self, number: int) -> bool:
        """Whether what has this number is in this user's share."""
        return number % ORDERS.workers == self.share

    def leave_on_time(
        self, items: Iterable[tuple[float, Item]], prepare: Callable[[Item], Callable[[int], None]]
    ) -> None:
        """Start each of the items at its second; they are prepared just before.

        What `prepare` returns is called in a greenlet of its own with the intended time.
        """
        for at_seconds, item in items:
            start = prepare(item)
            intended_ns = self.begin_ns + int(at_seconds * 1e9)
            while (wait_ns := intended_ns - time.perf_counter_ns()) > 0:
                gevent.sleep(wait_ns / 1e9)
            self._under_way.spawn(start, intended_ns)

    def finish(self) -> None:
        """Wait for what is under way, tell the run, and be idle until it is over."""
        self._under_way.join(timeout=self.answer_seconds_max)
        self.results.done()
        gevent.sleep(float("inf"))

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """One request."""
        return self._connections.ask(method, path, headers, body)

    def insist(
        self,
        name: str,
        ask: Callable[[], Answer],
        is_good: Callable[[Answer], bool],
        *,
        intended_ns: int,
        **known: Any,
    ) -> Answer | None:
        """Ask until the answer is good, and note each try as `note` does.

        Returns that answer, or None where none of the tries had one.
        """
        for tries in range(TRIES_MAX):
            gevent.sleep(PAUSE_SECONDS * tries)
            sent_ns = time.perf_counter_ns()
            answer = ask()
            is_taken = is_good(answer)
            times = {"intended_ns": intended_ns, "sent_ns": sent_ns}
            self.note(name, answer, **times, is_good=is_taken, tries=tries + 1, **known)
            if is_taken:
                return answer
        return None

    def note(self, name: str, answer: Answer, **known: Any) -> None:
        """Keep the result of a request that was just answered, and show it in Locust's statistics.

        `known` are the members of a `Result` that the answer does not give.
        """
        status, body, waited_ns = answer
        answered_ns = time.perf_counter_ns()
        result = Result(status=status, answered_ns=answered_ns, waited_ns=waited_ns, **known)
        self.results.add(result)
        said = None if result.is_good else f"{status} {body[:100].decode(errors='replace')}"
        self.environment.events.request.fire(
            request_type="open loop",
            name=name,
            response_time=(result.answered_ns - result.intended_ns) / 1e6,
            response_length=len(body),
            exception=RuntimeError(said) if said else None,
            context={},
        )
