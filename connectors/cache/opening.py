"""The cache that the settings name: on a file, or in the memory of this process."""

from __future__ import annotations

from pathlib import Path

from connectors.cache.memory import MemoryCache
from connectors.cache.sqlite import SqliteCache


def open_cache(path: Path | None) -> SqliteCache | MemoryCache:
    """Open it, making what is missing; without a path it is in memory. `close()` ends it."""
    return SqliteCache(path) if path else MemoryCache()
