"""The live feed on Redis: one channel, in which all who listen hear the ids of what is new.

Redis keeps nothing of it. Who was away, or too slow, or could not say what he had to, has lost
it: the listener is told that anything may be new as soon as he hears again, and looks at times
anyway. A user of Redis needs the right to `PUBLISH`, `SUBSCRIBE` and the channel of the prefix.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

from redis.asyncio.client import PubSub

from connectors.cache.circuit import PAUSE_SECONDS, Circuit
from connectors.cache.redis import CALL_SECONDS_MAX, ENGINE_ERRORS, PREFIX, redis_client
from streams.hints import Heard

PENDING_MAX = 5_000
"""More ids than this in one message say no more than that anything may be new."""
PING_SECONDS = 1.0
SILENCE_SECONDS_MAX = 3.0
"""A Redis that sends nothing for so long, not even the answer to a ping, is given up."""
_ANYTHING = "*"


class RedisSignals:
    """Says and hears what is new, for all processes that name one Redis."""

    def __init__(
        self,
        url: str,
        *,
        password: str = "",
        prefix: str = PREFIX,
        call_seconds_max: float = CALL_SECONDS_MAX,
        silence_seconds_max: float = SILENCE_SECONDS_MAX,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        """Nothing is connected before it is used, and no method raises."""
        self._redis = redis_client(url, password, call_seconds_max)
        self._channel = f"{prefix}signals"
        self._call_seconds_max = call_seconds_max
        self._silence_seconds_max = silence_seconds_max
        self._pause_seconds = pause_seconds
        self._circuit = Circuit("the live feed on Redis", pause_seconds=pause_seconds)
        self._pending: set[str] = set()
        self._listeners: list[Heard] = []
        self._sending: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._is_live = False

    @property
    def is_live(self) -> bool:
        """Whether Redis answers the subscription of this process."""
        return self._is_live

    # --- saying

    def publish(self, subjects: Collection[str]) -> None:
        """Say which ids have something new; what cannot be said now is not said later."""
        self._pending.update(subjects)
        if len(self._pending) > PENDING_MAX:
            self._pending = {_ANYTHING}
        if self._pending and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send(), name="saying what is new")

    async def _send(self) -> None:
        while self._pending:
            said, self._pending = "\n".join(self._pending), set()
            if not self._circuit.admits():
                continue
            try:
                async with asyncio.timeout(self._call_seconds_max):
                    await self._redis.publish(self._channel, said)
            except ENGINE_ERRORS as error:
                self._circuit.failed(error)
            else:
                self._circuit.succeeded()

    # --- hearing

    def listen(self, heard: Heard) -> None:
        """Call `heard` for what any process says, and with None whenever some may be lost."""
        self._listeners.append(heard)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="hearing what is new")

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except ENGINE_ERRORS as error:
                self._circuit.failed(error)
            finally:
                self._is_live = False
            self._tell(None)  # who waits looks more often from now on
            await asyncio.sleep(self._pause_seconds)

    async def _hear(self) -> None:
        """Hear until the connection ends or is silent, which raises."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._silence_seconds_max) as silence, self._channels() as heard:
            await heard.subscribe(self._channel)
            async with _pinged(heard):
                while True:
                    message = await heard.get_message(timeout=None)
                    silence.reschedule(loop.time() + self._silence_seconds_max)
                    if message is None:
                        continue
                    if message["type"] == "subscribe":
                        self._is_live = True
                        self._circuit.succeeded()
                        self._tell(None)
                    elif message["type"] == "message":
                        subjects = frozenset(message["data"].decode(errors="replace").split("\n"))
                        self._tell(None if _ANYTHING in subjects else subjects)

    @asynccontextmanager
    async def _channels(self) -> AsyncIterator[PubSub]:
        channels = self._redis.pubsub()
        try:
            yield channels
        finally:
            await channels.aclose()  # type: ignore[no-untyped-call]  # redis lacks its type

    def _tell(self, subjects: frozenset[str] | None) -> None:
        for heard in self._listeners:
            heard(subjects)

    # --- life

    async def close(self) -> None:
        """Say what is still to be said, within the bound of a call, and let the connections go."""
        self._listeners.clear()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=self._call_seconds_max)
            self._sending.cancel()
        with suppress(*ENGINE_ERRORS):
            async with asyncio.timeout(self._call_seconds_max):
                await self._redis.aclose()


@asynccontextmanager
async def _pinged(channels: PubSub) -> AsyncIterator[None]:
    """Ask for a sign of life every second; one that cannot be asked for is missed by the reader."""

    async def ping() -> None:
        with suppress(*ENGINE_ERRORS):
            while True:
                await asyncio.sleep(PING_SECONDS)
                await channels.ping()

    pings = asyncio.create_task(ping(), name="pinging Redis")
    try:
        yield
    finally:
        pings.cancel()
        await asyncio.gather(pings, return_exceptions=True)
