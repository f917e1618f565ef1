"""The shared cache in the memory of one process: bounded, forgetful, never the only copy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams.clock import monotonic_seconds

ENTRIES_MAX = 10_000
BYTES_MAX = 64 * 1024 * 1024
BUCKETS_MAX = 50_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_seconds: float


@dataclass(slots=True)
class _Holding:
    """What one owner has in the cache, the least recently used first."""

    entries: OrderedDict[str, tuple[float, bytes]] = field(default_factory=OrderedDict)
    bytes: int = 0


class MemoryCache:
    """Values that end after a time, and token buckets.

    What is too much goes from whoever holds most, the least recently used first: nobody can push
    out what is another's.
    """

    def __init__(
        self,
        *,
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = BYTES_MAX,
        buckets_max: int = BUCKETS_MAX,
        seconds: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self._entries_max, self._bytes_max, self._buckets_max = entries_max, bytes_max, buckets_max
        self._seconds = seconds
        self._holdings: dict[str, _Holding] = {}
        self._owners: dict[str, str] = {}
        self._bytes = 0
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        """The value, unless it was never put, has ended or was forgotten."""
        owner = self._owners.get(key)
        if owner is None:
            return None
        entries = self._holdings[owner].entries
        ends, value = entries[key]
        if ends <= self._seconds():
            self._forget(key)
            return None
        entries.move_to_end(key)
        return value

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values that `get` would give, by their keys."""
        found = {key: await self.get(key) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    async def put(self, key: str, value: bytes, *, seconds: float, owner: str = "") -> None:
        """Remember a value for so many seconds, in place of what was there."""
        self._forget(key)
        holding = self._holdings.setdefault(owner, _Holding())
        holding.entries[key] = (self._seconds() + seconds, value)
        self._owners[key] = owner
        holding.bytes += len(value)
        self._bytes += len(value)
        while self._bytes > self._bytes_max:
            self._forget_oldest(max(self._holdings.values(), key=lambda each: each.bytes))
        while len(self._owners) > self._entries_max:
            self._forget_oldest(max(self._holdings.values(), key=lambda each: len(each.entries)))

    async def claim(
        self, key: str, value: bytes, *, seconds: float, owner: str = ""
    ) -> bytes | None:
        """Put a value unless there is one: None when it is put, else the value that is there."""
        # Neither of the two lets anyone else go on meanwhile.
        there = await self.get(key)
        if there is None:
            await self.put(key, value, seconds=seconds, owner=owner)
        return there

    async def take(self, bucket: str, *, per_second: float, burst: int) -> float:
        """Take one token: 0 when there was one, else the seconds until there will be."""
        now = self._seconds()
        held = self._buckets.setdefault(bucket, _Bucket(tokens=burst, at_seconds=now))
        self._buckets.move_to_end(bucket)
        held.tokens = min(burst, held.tokens + (now - held.at_seconds) * per_second)
        held.at_seconds = now
        if len(self._buckets) > self._buckets_max:
            self._buckets.popitem(last=False)
        if held.tokens >= 1:
            held.tokens -= 1
            return 0.0
        return (1 - held.tokens) / per_second

    async def close(self) -> None:
        """Nothing outlives it, so there is nothing to finish."""

    def _forget_oldest(self, holding: _Holding) -> None:
        self._forget(next(iter(holding.entries)))

    def _forget(self, key: str) -> None:
        owner = self._owners.pop(key, None)
        if owner is None:
            return
        holding = self._holdings[owner]
        _, value = holding.entries.pop(key)
        holding.bytes -= len(value)
        self._bytes -= len(value)
        if not holding.entries:
            del self._holdings[owner]
