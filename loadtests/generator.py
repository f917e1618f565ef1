"""Sends prepared requests on a schedule, whatever the answers do (open loop).

Latency counts from the time at which a request was meant to leave, so a stall of the product is not
hidden by requests that were never sent. How late the generator itself was is reported with it.
Requests are bytes that were built beforehand: signing is no part of what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

CONNECTIONS_MAX = 512
READY_CONNECTIONS = 32
ANSWER_BYTES_MAX = 64 * 1024 * 1024
LEAD_SECONDS = 0.2
ANSWER_SECONDS_MAX = 60.0
UNAVAILABLE = 503

Answered = Callable[[int, bytes, int], None]
"""Status (0: the connection broke), body, and when it came in nanoseconds."""


class Fires(Protocol):
    """What takes requests of a load, and tells of each what became of it."""

    starved: int

    async def open(self) -> None: ...
    def fire(self, request: Any, answered: Answered) -> None: ...


def http_request(
    method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    """A request as bytes, ready to be sent many times."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _value(head: bytes, name: bytes) -> bytes:
    """The value of a header in a head in lower case, or nothing."""
    return head.partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0].strip()


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request under way at most."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._size: int | None = None
        self._begin = 0
        self._status = 0
        self.answered: Answered | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def send(self, request: bytes, answered: Answered) -> None:
        assert self._transport is not None
        self.answered = answered
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        at_ns = time.perf_counter_ns()
        self._buffer += data
        if self._size is None and not self._read_head():
            return
        assert self._size is not None
        if len(self._buffer) < self._size:
            return
        body = bytes(self._buffer[self._begin : self._size])
        del self._buffer[: self._size]
        self._size = None
        self._done(self._status, body, at_ns)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        self._status = int(head[9:12])
        self._begin = end + 4
        length = _value(head, b"content-length") or b"0"
        self._size = self._begin + min(int(length), ANSWER_BYTES_MAX)
        if self._status == UNAVAILABLE and not _value(head, b"retry-after").strip(b"0").isdigit():
            self._client.curt += 1
        return True

    def _done(self, status: int, body: bytes, at_ns: int) -> None:
        answered, self.answered = self.answered, None
        if answered is not None:
            answered(status, body, at_ns)
        if status:
            self._client.release(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._client.lost(self)
        self._done(0, b"", time.perf_counter_ns())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Client:
    """Keep-alive connections to one port of this machine; more are opened as they are needed."""

    def __init__(self, port: int, *, connections_max: int = CONNECTIONS_MAX) -> None:
        self._port, self._connections_max = port, connections_max
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[tuple[bytes, Answered]] = deque()
        self.curt = 0
        """Answers 503 that did not say in how many seconds to come again."""
        self.starved = 0  # requests that found all connections in use, and no more allowed
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, count: int = READY_CONNECTIONS) -> None:
        """Open connections beforehand, so that the first requests do not wait for them."""
        missing = min(count, self._connections_max) - len(self._all)
        self._opening += max(missing, 0)
        await asyncio.gather(*(self._connect() for _ in range(missing)))

    def fire(self, request: bytes, answered: Answered) -> None:
        """Send a request now, or as soon as a connection is free."""
        if self._idle:
            self._idle.pop().send(request, answered)
            return
        self._waiting.append((request, answered))
        if len(self._all) + self._opening < self._connections_max:
            self._open_another()
        else:
            self.starved += 1

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send one request and wait for its answer."""
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

        def answered(status: int, body: bytes, _at_ns: int) -> None:
            if not answer.done():
                answer.set_result((status, body))

        self.fire(request, answered)
        return await asyncio.wait_for(answer, ANSWER_SECONDS_MAX)

    def _open_another(self) -> None:
        self._opening += 1
        task = asyncio.get_running_loop().create_task(self._connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self._port
            )
        except OSError:
            self._opening -= 1
            if not self._all and not self._opening:
                self._refuse_all()
            return
        self._opening -= 1
        self._all.add(connection)
        self.release(connection)

    def _refuse_all(self) -> None:
        """No connection is left that could serve those who wait."""
        waiting, self._waiting = self._waiting, deque()
        for _, answered in waiting:
            answered(0, b"", time.perf_counter_ns())

    def release(self, connection: Connection) -> None:
        """A connection is free again."""
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""
        self._all.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        if self._waiting and not self._all and not self._opening:
            self._open_another()  # else nobody would serve those who wait

    async def close(self) -> None:
        for connection in tuple(self._all):
            connection.close()
        await asyncio.sleep(0)


@dataclass(slots=True, kw_only=True)
class Offered:
    """What was offered, and how each request was answered; lists have one place per request."""

    rate: float
    intended_ns: list[int]
    sent_ns: list[int]
    answered_ns: list[int]
    statuses: list[int]
    bodies: list[bytes] = field(repr=False)
    starved: int = 0
    """Requests that could not leave at their time, because all connections were in use."""
    refused: Counter[int] = field(default_factory=Counter)
    """What was answered to requests that were offered again, by status."""

    @property
    def accepted(self) -> list[int]:
        """The places of the requests that were answered by success."""
        return [place for place, status in enumerate(self.statuses) if 200 <= status < 300]  # noqa: PLR2004  # success in HTTP

    @property
    def errors(self) -> dict[str, int]:
        """How many were answered otherwise, by status, as JSON has it; 0 is a broken connection."""
        bad = [status for status in self.statuses if not 200 <= status < 300]  # noqa: PLR2004  # success in HTTP
        return {str(status): bad.count(status) for status in sorted(set(bad))}

    @property
    def lags_ms(self) -> list[float]:
        """How late each request left the generator."""
        pairs = zip(self.sent_ns, self.intended_ns, strict=True)
        return [(sent - intended) / 1e6 for sent, intended in pairs]


async def offer(client: Fires, requests: Sequence[Any], rate: float) -> Offered:
    """Send the requests at a steady rate and wait for every answer, within a bound."""
    count = len(requests)
    begin_ns = time.perf_counter_ns() + int(LEAD_SECONDS * 1e9)
    offered = Offered(
        rate=rate,
        intended_ns=[begin_ns + int(place * 1e9 / rate) for place in range(count)],
        sent_ns=[0] * count,
        answered_ns=[0] * count,
        statuses=[0] * count,
        bodies=[b""] * count,
    )
    run, starved = _Run(client, requests, offered), client.starved
    await client.open()
    metronome = threading.Thread(target=run.tick, args=(asyncio.get_running_loop(),), daemon=True)
    metronome.start()
    seconds = count / rate + LEAD_SECONDS + ANSWER_SECONDS_MAX
    with contextlib.suppress(TimeoutError):  # what is not answered keeps status 0
        await asyncio.wait_for(run.finished.wait(), seconds)
    run.is_over = True
    offered.starved = client.starved - starved
    return offered


class _Run:
    """One offer under way; a thread keeps time, because loops wake up by the millisecond only."""

    def __init__(self, client: Fires, requests: Sequence[Any], offered: Offered) -> None:
        self._client, self._requests, self._offered = client, requests, offered
        self._next = 0
        self._open = len(requests)
        self.finished, self.is_over = asyncio.Event(), False

    def tick(self, loop: asyncio.AbstractEventLoop) -> None:
        intended = self._offered.intended_ns
        place = 0
        while place < len(intended) and not self.is_over:
            wait_ns = intended[place] - time.perf_counter_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / 1e9)
                continue
            while place < len(intended) and intended[place] <= time.perf_counter_ns():
                place += 1
            loop.call_soon_threadsafe(self._send_until, place)

    def _send_until(self, place: int) -> None:
        while self._next < place:
            self._send(self._next)
            self._next += 1

    def _send(self, place: int) -> None:
        offered = self._offered

        def answered(status: int, body: bytes, at_ns: int) -> None:
            offered.statuses[place], offered.bodies[place] = status, body
            offered.answered_ns[place] = at_ns
            self._open -= 1
            if not self._open:
                self.finished.set()

        offered.sent_ns[place] = time.perf_counter_ns()
        self._client.fire(self._requests[place], answered)
