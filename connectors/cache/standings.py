"""How endpoints stand, kept in the shared cache for the worker that sends to them next."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol, TypeVar

from streams.clock import monotonic_seconds
from streams.domain.errors import Unavailable
from streams.domain.ids import EndpointId

T = TypeVar("T")

KEPT_SECONDS = 6 * 3_600.0
"""What an endpoint did longer ago says nothing of it."""
WRITE_SECONDS_MIN = 1.0
"""How far apart two writes of one endpoint are; of what is said between them, the last counts."""
WRITES_AT_ONCE = 8
ENDPOINTS_MAX = 50_000
"""So many are remembered as written; of one that is forgotten the next word is written again."""
PENDING_MAX = 10_000
"""More endpoints than this at once are not written: it is a hint."""
READ_SECONDS_MAX = 1.0
KEYS_PER_READ = 500
OWNER = "standings"
STANDING_LETTERS_MAX = 32


class Store(Protocol):
    """What a cache does for standings."""

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values that are there, by their keys."""
        ...

    async def put(self, key: str, value: bytes, *, seconds: float, owner: str = "") -> None:
        """Remember a value for so many seconds."""
        ...


class CachedStandings:
    """`streams.hints.Standings` on any cache."""

    def __init__(
        self,
        cache: Store,
        *,
        seconds: Callable[[], float] = monotonic_seconds,
        write_seconds_min: float = WRITE_SECONDS_MIN,
        endpoints_max: int = ENDPOINTS_MAX,
        pending_max: int = PENDING_MAX,
    ) -> None:
        """The cache stays its owner's, who closes it after this."""
        self._cache, self._seconds = cache, seconds
        self._write_seconds_min = write_seconds_min
        self._endpoints_max, self._pending_max = endpoints_max, pending_max
        self._written: OrderedDict[EndpointId, tuple[str, float]] = OrderedDict()
        self._pending: dict[EndpointId, str] = {}
        self._writing: asyncio.Task[None] | None = None

    def put(self, endpoint_id: EndpointId, standing: str) -> None:
        """Say how an endpoint stands, after every attempt: it is written when it is another.

        One that stays the same is written again before it would be forgotten.
        """
        written, at = self._written.get(endpoint_id, ("", 0.0))
        if written == standing and self._seconds() < at + KEPT_SECONDS / 2:
            self._pending.pop(endpoint_id, None)
        elif endpoint_id in self._pending or len(self._pending) < self._pending_max:
            self._pending[endpoint_id] = standing
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write(), name="writing standings")

    async def _write(self) -> None:
        while self._pending:
            await self._write_pending()
            await asyncio.sleep(self._write_seconds_min)

    async def _write_pending(self) -> None:
        said, self._pending = self._pending, {}
        for together in _parts(tuple(said.items()), WRITES_AT_ONCE):
            await asyncio.gather(*(self._put(*each) for each in together))

    async def _put(self, endpoint_id: EndpointId, standing: str) -> None:
        self._written[endpoint_id] = standing, self._seconds()
        self._written.move_to_end(endpoint_id)
        if len(self._written) > self._endpoints_max:
            self._written.popitem(last=False)
        try:
            key, value = _key(endpoint_id), standing.encode()
            await self._cache.put(key, value, seconds=KEPT_SECONDS, owner=OWNER)
        except Unavailable:
            self._written.pop(endpoint_id, None)  # the next word of it is written

    async def get(self, endpoint_ids: Collection[EndpointId]) -> dict[EndpointId, str]:
        """The standings that the cache gives within a second; those that it does not are absent."""
        found: dict[EndpointId, str] = {}
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                for together in _parts(tuple(endpoint_ids), KEYS_PER_READ):
                    values = await self._cache.get_many([_key(each) for each in together])
                    for each in together:
                        value = values.get(_key(each), b"")
                        if 0 < len(value) <= STANDING_LETTERS_MAX:
                            found[each] = value.decode(errors="replace")
        except (Unavailable, TimeoutError):
            return found
        return found

    async def close(self) -> None:
        """Write what was said last, within the bound of a read."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                await self._write_pending()
        except TimeoutError:
            return


def _key(endpoint_id: EndpointId) -> str:
    return f"standing {endpoint_id}"


def _parts(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (things[start : start + size] for start in range(0, len(things), size))
