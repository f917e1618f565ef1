"""Receives webhooks for many merchants in one cheap process, and keeps all of them in a file.

The path says how a merchant's server behaves: `/ok/NAME` answers at once, `/hang/NAME` never,
`/fail/NAME` with 500, `/slow/MILLISECONDS/NAME` late. `/busy/CAPACITY/MILLISECONDS/NAME` is late
too, and answers 429 while it has more than its capacity at once; `POST /mood/hang` makes all busy
ones hang, `/mood/fail` answer 503, `/mood/serve` serve again. Nothing is verified while load runs;
what came is kept whole, so that `loadtests.verify` can check every signature afterwards.

    python -m loadtests.sink [--port N]      prints its port as the first line

`GET /count` says how many came, by path, `GET /served` how many different ones were answered by
success, `GET /most` how many a busy one had at once since the last mood; `GET /dump/N` gives a
page of them from the Nth on (counted from 0) as lines of JSON, in the order in which they came;
`POST /reset` forgets them.
Times are nanoseconds of the machine's monotonic clock, which every process on it shares.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
import weakref
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from typing import BinaryIO, cast

import orjson
import uvloop

from loadtests.busy import NEVER, OK, BusyServers, Mood
from ops.supervisor import die_with_supervisor

ANSWERS = {
    status: b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\n\r\n" % (status, reason)
    for status, reason in (
        (200, b"OK"),
        (400, b"Bad Request"),
        (404, b"Not Found"),
        (413, b"Content Too Large"),
        (429, b"Too Many Requests"),
        (500, b"Internal Server Error"),
        (503, b"Service Unavailable"),
    )
}
HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 1024 * 1024
DUMP_PAGE = 5_000
PREFIX = Struct("<QHHII")
"""Before each arrival in the file: when, the status, and how long path, head and body are."""

Arrival = tuple[str, int, bytes, bytes]
"""The path, when it came, the head of the request, the body."""
Answer = tuple[int, float, Callable[[], None]]
"""The status, 0 for none at all, after how many seconds, and what to call then."""


@dataclass(slots=True, weakref_slot=True)
class Store:
    """Everything that came, in order: in a file without a name, and in memory what is counted."""

    file: BinaryIO = field(default_factory=tempfile.TemporaryFile)
    places: array[int] = field(default_factory=lambda: array("Q"))
    """Where each begins in the file."""
    size: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    served: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Digests of the ids that were answered by success, by path."""
    busy: BusyServers = field(default_factory=BusyServers)

    def __post_init__(self) -> None:
        """The file goes with whoever holds it."""
        weakref.finalize(self, self.file.close)

    def keep(self, arrival: Arrival, status: int) -> None:
        """Note it and the status that it is answered."""
        path, at_ns, head, body = arrival
        sizes = (at_ns, status, len(path), len(head), len(body))
        written = b"".join((PREFIX.pack(*sizes), path.encode("latin-1"), head, body))
        self.file.write(written)
        self.places.append(self.size)
        self.size += len(written)
        self.counts[path] += 1
        if status == OK:
            self.served[path].add(hash(header(head, b"webhook-id")))

    def reset(self) -> None:
        self.file.seek(0)
        self.file.truncate()
        self.size = 0
        self.places = array("Q")
        self.counts.clear()
        self.served.clear()

    def dump(self, first: int) -> bytes:
        """A page of lines."""
        if first >= len(self.places):
            return b""
        self.file.seek(self.places[first])
        count = min(DUMP_PAGE, len(self.places) - first)
        lines = b"".join(self._line() for _ in range(count))
        self.file.seek(self.size)
        return lines

    def _line(self) -> bytes:
        """The next arrival of the file as a line of JSON."""
        at_ns, status, *sizes = PREFIX.unpack(self.file.read(PREFIX.size))
        path, head, body = (self.file.read(size) for size in sizes)
        headers = {name: header(head, name.encode()).decode("latin-1") for name in KEPT_HEADERS}
        text, where = body.decode("utf-8", "replace"), path.decode("latin-1")
        line = {"path": where, "ns": at_ns, "status": status, **headers, "body": text}
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    def said(self, about: str) -> object:
        """The answer to a question of one word, or None."""
        return {
            "/count": self.counts,
            "/served": {path: len(ids) for path, ids in self.served.items()},
            "/most": self.busy.most,
        }.get(about)


KINDS = frozenset({"ok", "hang", "fail", "slow", "busy"})
KEPT_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


def header(head: bytes, name: bytes) -> bytes:
    """The value of a header in the head of a request, or nothing; names are in lower case."""
    begin = head.lower().find(b"\r\n" + name + b":")
    if begin < 0:
        return b""
    begin += len(name) + 3
    end = head.find(b"\r\n", begin)
    return head[begin : end if end >= 0 else len(head)].strip()


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 0


class Receiver(asyncio.Protocol):
    """One connection: requests with a Content-Length, one after the other."""

    def __init__(self, store: Store, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._store, self._later = store, later
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        at_ns = time.perf_counter_ns()
        self._buffer = self._buffer + data if self._buffer else data
        while (taken := self._take(at_ns)) > 0:
            self._buffer = self._buffer[taken:]

    def _take(self, at_ns: int) -> int:
        """Handle one whole request; returns its length, or 0 when more of it must come."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return self._refuse(413) if len(self._buffer) > HEAD_BYTES_MAX else 0
        head = self._buffer[:end]
        length = header(head, b"content-length") or b"0"
        if not length.isdigit():
            return self._refuse(400)
        size = end + 4 + int(length)
        if size > BODY_BYTES_MAX:
            return self._refuse(413)
        if len(self._buffer) < size:
            return 0
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].decode("latin-1")
        self._handle(method, path, (path, at_ns, head, self._buffer[end + 4 : size]))
        return size

    def _handle(self, method: bytes, path: str, arrival: Arrival) -> None:
        kind, _, name = path.removeprefix("/").partition("/")
        store = self._store
        if method == b"POST" and kind in KINDS and name:
            status, seconds, answered = self._answer_of(kind, name, path)
            store.keep(arrival, status)
            if status and seconds:
                self._later(seconds, lambda: self._answer_late(status, answered))
            elif status:
                self._answer(status)
        elif (said := store.said(path)) is not None:
            self._answer_json(orjson.dumps(said))
        elif kind == "dump":
            self._answer_json(store.dump(int(name) if name.isdigit() else 0))
        elif method == b"POST" and kind == "mood" and name in set(Mood):
            store.busy.change(Mood(name))
            self._answer(200)
        elif method == b"POST" and path == "/reset":
            store.reset()
            self._answer(200)
        else:
            self._answer(404)

    def _answer_of(self, kind: str, name: str, path: str) -> Answer:
        if kind == "busy":
            capacity, milliseconds, *_ = [*map(_whole, name.split("/")), 0]
            status, answered = self._store.busy.begin(path, capacity)
            return status, milliseconds / 1_000, answered
        seconds = _whole(name.partition("/")[0]) / 1_000 if kind == "slow" else 0.0
        return {"hang": NEVER, "fail": 500}.get(kind, OK), seconds, lambda: None

    def _answer_late(self, status: int, answered: Callable[[], None]) -> None:
        answered()
        self._answer(status)

    def _answer(self, status: int) -> None:
        if self._transport is not None:
            self._transport.write(ANSWERS[status])

    def _answer_json(self, body: bytes) -> None:
        if self._transport is not None:
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            self._transport.write(head % len(body) + body)

    def _refuse(self, status: int) -> int:
        self._answer(status)
        if self._transport is not None:
            self._transport.close()
        self._buffer = b""
        return 0


async def listen(port: int) -> tuple[asyncio.Server, int]:
    """Start to receive on 127.0.0.1; returns the server and its port."""
    store, loop = Store(), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Receiver(store, loop.call_later), "127.0.0.1", port, backlog=1024
    )
    return server, server.sockets[0].getsockname()[1]


async def _serve(port: int) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server, bound = await listen(port)
    print(bound, flush=True)
    await stopping.wait()
    server.close()


def main() -> int:
    die_with_supervisor()
    parser = argparse.ArgumentParser(description="Receive webhooks and remember them.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    uvloop.run(_serve(parser.parse_args().port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
