"""The connections of one user to the product; whoever finds none free is told how long it took."""

from __future__ import annotations

import time
from http.client import HTTPException
from typing import NamedTuple

import gevent  # type: ignore[import-untyped]  # it has no types of its own
from gevent.lock import Semaphore  # type: ignore[import-untyped]  # nor here
from geventhttpclient import HTTPClient


class Answer(NamedTuple):
    """What was answered; status 0 is a connection that broke."""

    status: int
    body: bytes
    waited_ns: int = 0
    """How long the request waited for one of the user's own connections: the generator's fault."""


class Connections:
    """At most so many connections; each request has one for itself until it is answered."""

    def __init__(self, port: int, *, most: int, seconds_max: float) -> None:
        self._free = Semaphore(most)
        self._client = HTTPClient(
            "127.0.0.1",
            port,
            concurrency=most,
            connection_timeout=seconds_max,
            network_timeout=seconds_max,
        )

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        """One request, as soon as a connection is free."""
        since_ns, is_free = time.perf_counter_ns(), not self._free.locked()
        with self._free:
            waited_ns = 0 if is_free else time.perf_counter_ns() - since_ns
            try:
                answer = self._client.request(method, path, body, headers)
                return Answer(int(answer.status_code), bytes(answer.read()), waited_ns)
            except (OSError, HTTPException, gevent.Timeout, ValueError):
                return Answer(0, b"", waited_ns)
