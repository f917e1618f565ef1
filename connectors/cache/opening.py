"""The cache that the settings name: on a file, in the memory of this process, or on Redis."""

from __future__ import annotations

from pathlib import Path

from connectors.cache.circuit import Observe
from connectors.cache.memory import MemoryCache
from connectors.cache.redis import RedisCache
from connectors.cache.sqlite import SqliteCache
from streams.domain.errors import Unavailable

SQLITE, MEMORY, REDIS = "sqlite://", "memory://", ("redis://", "rediss://")


def open_cache(
    url: str, *, password: str = "", observe: Observe | None = None
) -> SqliteCache | MemoryCache | RedisCache:
    """Open the cache of a URL; nothing is made or connected before it is used. `close()` ends it.

    The password is for Redis, unless the URL has one; `observe` hears when Redis goes and comes.
    Raises `Unavailable` for a URL of none of them.
    """
    if url.startswith(REDIS):
        return RedisCache(url, password=password, observe=observe)
    if url == MEMORY:
        return MemoryCache()
    if url.startswith(SQLITE):
        return SqliteCache(Path(url.removeprefix(SQLITE)))
    raise Unavailable("a cache is sqlite://, memory://, redis:// or rediss://")
