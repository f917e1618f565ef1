"""A real Redis of a test's own, which it may kill, freeze, empty and lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from ops.stack.packages import provide
from ops.stack.redis import RedisServer
from tests.real_engines import need


@contextmanager
def a_redis(folder: Path) -> Iterator[RedisServer]:
    """A server that no other test sees."""
    need(lambda: provide(["redis-server"]))
    server = RedisServer(folder)
    try:
        server.start()
        server.wait_usable()
        yield server
    finally:
        server.stop()


def client_of(server: RedisServer) -> redis.Redis:
    """A plain client, for a test to look, to empty and to change settings; close it."""
    return redis.Redis(host=server.host, port=server.port)


def past(server: RedisServer, seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have gone by on the server's own clock, for `eventually`."""

    def now() -> float:
        with client_of(server) as client:
            whole, micro = client.time()
        return int(whole) + int(micro) / 1_000_000

    until = now() + seconds
    return lambda: now() >= until
