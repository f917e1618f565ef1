"""From the URL of a history to the history: `sqlite://PATH`."""

from __future__ import annotations

from pathlib import Path

from connectors.history.sqlite import SqliteHistory

SQLITE = "sqlite://"


def open_history(url: str) -> SqliteHistory:
    """Open the history at a URL, creating what is missing; `await history.close()` ends it.

    Raises `ValueError` for a URL of no known engine, `Unavailable` when the engine cannot be
    reached, and `CorruptState` when what is there is not a history of this version.
    """
    path = url.removeprefix(SQLITE)
    if path == url or not path:
        raise ValueError(f"the history must be {SQLITE}PATH, not {url!r}")
    return SqliteHistory(Path(path))
