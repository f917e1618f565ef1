"""The shared cache on Redis: limits hold across processes, and without Redis the API goes on.

Every call has a short bound, and a circuit spares the others the wait while Redis is away. Then
`get` and `claim` know nothing, `put` remembers nothing and `take` counts in this process alone.
What is lost with Redis (it ends, hangs, is emptied) is the state of the limits and the first
answers to an `Idempotency-Key`. A call that is repeated without its first answer is made again.
What it makes has an id that is derived, under a key from the key, so it is recognised as the same;
a resend or a ping is sent once more, with the same `webhook-id`.

One Redis 7 or later, or whatever speaks for one (a proxy, Sentinel's address); not a cluster, for
the scripts use keys that they find in others. Values are sealed by whoever puts them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from connectors.cache.circuit import Circuit, Observe
from connectors.cache.memory import MemoryCache
from connectors.cache.redis_reasons import reason_of
from connectors.cache.redis_scripts import PUT, TAKE
from streams.domain.errors import Unavailable

R = TypeVar("R")

PREFIX = "keshikomi:"
CALL_SECONDS_MAX = 0.2
"""How long a call may take, its connection included."""
CONNECTIONS_MAX = 16
"""Of one process. More would be slower: a burst would spend its time on making connections."""
ENTRIES_MAX = 200_000
BYTES_MAX = 256 * 1024 * 1024
VALUE_BYTES_MAX = 1024 * 1024
"""A larger value is not kept: it would hold up the others on the way to Redis and in it."""
VALUE_SECONDS_MAX = 2 * 86_400.0
"""No value is kept longer; the account of who holds what ends so long after the last put."""
FORGOTTEN_PER_PUT_MAX = 100
"""So many that have ended, and as many that are too much, go with each put: never a long pause."""
VERSION_MIN = 7

ENGINE_ERRORS = (RedisError, OSError, TimeoutError, RuntimeError)
"""What a call may end with; the last is uvloop's word for a connection that has just closed."""


def redis_client(url: str, password: str, call_seconds_max: float) -> Redis:
    """A client that never tries twice and never waits long; the URL's password goes first.

    With `rediss://` the certificate and its name are verified against the system's authorities.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        password=password or None,
        max_connections=CONNECTIONS_MAX,
        timeout=call_seconds_max,
        protocol=2,  # the third begins with a call that tells a missing password obscurely
        # Calls are bounded as a whole; a bound of each write would make a task of each.
        socket_timeout=None,
        socket_connect_timeout=call_seconds_max,
        # Its default tries again for seconds; here the circuit decides when to.
        retry=Retry(NoBackoff(), retries=0),
    )
    return Redis.from_pool(pool)


class RedisCache:
    """Values that end after a time and token buckets, for all processes that name one Redis."""

    def __init__(
        self,
        url: str,
        *,
        password: str = "",
        prefix: str = PREFIX,
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = BYTES_MAX,
        call_seconds_max: float = CALL_SECONDS_MAX,
        circuit: Circuit | None = None,
        observe: Observe | None = None,
    ) -> None:
        """Nothing is connected before it is used. No method but `version` raises."""
        self._redis, self._url = redis_client(url, password, call_seconds_max), url
        self._prefix, self._call_seconds_max = prefix, call_seconds_max
        self._entries_max, self._bytes_max = entries_max, bytes_max
        self._circuit = circuit or Circuit("the cache on Redis", observe=observe)
        self._put = self._redis.register_script(PUT)
        self._take = self._redis.register_script(TAKE)
        self._buckets = MemoryCache()

    async def get(self, key: str) -> bytes | None:
        """The value, unless it was never put, has ended, was forgotten, or Redis is away."""
        found = await self._call(lambda: self._redis.get(f"{self._prefix}value:{key}"))
        return found if isinstance(found, bytes) else None

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values that `get` would give, by their keys; none when Redis is away."""
        names = [f"{self._prefix}value:{key}" for key in keys]
        found = await self._call(lambda: self._redis.mget(names)) if names else None
        return {
            key: value
            for key, value in zip(keys, found or [None] * len(keys), strict=True)
            if isinstance(value, bytes)
        }

    async def put(self, key: str, value: bytes, *, seconds: float, owner: str = "") -> None:
        """Remember a value for so many seconds, in place of what was there, if Redis does."""
        await self._put_value(key, value, seconds, owner)

    async def claim(
        self, key: str, value: bytes, *, seconds: float, owner: str = ""
    ) -> bytes | None:
        """Put a value unless there is one: None when it is put, or Redis is away; else that one."""
        found = await self._put_value(key, value, seconds, owner, unless_there=True)
        return found if isinstance(found, bytes) else None

    async def _put_value(
        self, key: str, value: bytes, seconds: float, owner: str, *, unless_there: bool = False
    ) -> object:
        if len(value) > VALUE_BYTES_MAX:
            return None
        milliseconds = max(1, round(min(seconds, VALUE_SECONDS_MAX) * 1000))
        index_milliseconds = round(VALUE_SECONDS_MAX * 1000)
        bounds = (self._entries_max, self._bytes_max, FORGOTTEN_PER_PUT_MAX)
        given = (key, owner, value, milliseconds, index_milliseconds, *bounds, int(unless_there))
        return await self._call(lambda: self._put(keys=[self._prefix], args=given))

    async def take(self, bucket: str, *, per_second: float, burst: int) -> float:
        """Take one token: 0 when there was one, else the seconds until there will be.

        While Redis is away this process counts for itself, so several together let more through.
        """
        keys, args = [f"{self._prefix}bucket:{bucket}"], [1_000_000 / per_second, burst]
        wait_microseconds = await self._call(lambda: self._take(keys=keys, args=args))
        if wait_microseconds is None:
            return await self._buckets.take(bucket, per_second=per_second, burst=burst)
        return int(wait_microseconds) / 1_000_000

    async def version(self) -> str:
        """The version of Redis; raises `Unavailable` when it does not answer, or is too old."""
        try:
            async with asyncio.timeout(self._call_seconds_max):
                found = str((await self._redis.info("server"))["redis_version"])
        except ENGINE_ERRORS as error:
            raise Unavailable(f"redis: {await reason_of(error, self._url)}") from error
        if int(found.partition(".")[0]) < VERSION_MIN:
            raise Unavailable(f"redis: version {found} is older than {VERSION_MIN}")
        return found

    async def close(self) -> None:
        """Let the connections go."""
        with suppress(*ENGINE_ERRORS):
            async with asyncio.timeout(self._call_seconds_max):
                await self._redis.aclose()

    async def _call(self, ask: Callable[[], Awaitable[R]]) -> R | None:
        """What Redis answers within the bound, or None."""
        if not self._circuit.admits():
            return None
        try:
            async with asyncio.timeout(self._call_seconds_max):
                answer = await ask()
        except ENGINE_ERRORS as error:
            self._circuit.failed(error)
            return None
        self._circuit.succeeded()
        return answer
