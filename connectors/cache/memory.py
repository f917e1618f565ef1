"""The shared cache in the memory of one process: bounded, forgetful, never the only copy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from streams.clock import monotonic_seconds

ENTRIES_MAX = 10_000
BYTES_MAX = 64 * 1024 * 1024
BUCKETS_MAX = 50_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_seconds: float


class MemoryCache:
    """Values that end after a time, and token buckets; the least recently used goes first."""

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
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        """The value, unless it was never put, has ended or was forgotten."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= self._seconds():
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return entry[1]

    async def put(self, key: str, value: bytes, *, seconds: float) -> None:
        """Remember a value for so many seconds, in place of what was there."""
        self._forget(key)
        self._entries[key] = (self._seconds() + seconds, value)
        self._bytes += len(value)
        while len(self._entries) > self._entries_max or self._bytes > self._bytes_max:
            self._forget(next(iter(self._entries)))

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

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry[1])
