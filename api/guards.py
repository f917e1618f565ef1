"""What keeps one process from taking more than it can: files at a time, and a log that refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from api.errors import come_back
from streams.clock import monotonic_seconds
from streams.domain.errors import Unavailable
from streams.ports import Appender, Place, Record

FILES_AT_ONCE_MAX = 4
"""Each may lie in memory whole."""
REFUSAL_SECONDS = 5.0
"""For how long a refusal of the log counts; then somebody must try again to know."""


class FileSlots:
    """One file at a time of each merchant, and a few of all merchants."""

    def __init__(self, at_once_max: int = FILES_AT_ONCE_MAX) -> None:
        self._at_once_max = at_once_max
        self._taken: set[str] = set()

    @contextmanager
    def taken(self, merchant_id: str) -> Iterator[None]:
        """Hold a slot from before the body is read until the answer."""
        if merchant_id in self._taken:
            raise come_back(429, "another file of yours is being read")
        if len(self._taken) >= self._at_once_max:
            raise come_back(503, "other files are being read")
        self._taken.add(merchant_id)
        try:
            yield
        finally:
            self._taken.remove(merchant_id)


class WatchedAppender:
    """The log's write side, with a memory of its latest refusal, for `/readyz`."""

    def __init__(
        self, inner: Appender, *, seconds: Callable[[], float] = monotonic_seconds
    ) -> None:
        self._inner, self._seconds = inner, seconds
        self._refused_at: float | None = None

    async def append(self, records: Sequence[Record]) -> Sequence[Place]:
        """Append as the log does; see `streams.ports.Appender`."""
        try:
            places = await self._inner.append(records)
        except Unavailable:
            self._refused_at = self._seconds()
            raise
        self._refused_at = None
        return places

    @property
    def refuses(self) -> bool:
        """Whether the latest append was refused, not long ago."""
        refused_at = self._refused_at
        return refused_at is not None and self._seconds() - refused_at < REFUSAL_SECONDS
