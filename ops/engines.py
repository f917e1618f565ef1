"""The engines that the settings name, opened for a command and closed after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from connectors.history.opening import open_history
from connectors.log.sqlitelog import SqliteLog
from ops.settings import Settings
from streams.domain.errors import KeshikomiError
from streams.ports import History
from streams.topics import DAY_SECONDS, TOPICS


class NotStarted(KeshikomiError):
    """There is no data yet; `keshikomi up` or `keshikomi setup` makes it."""

    code = "not_started"


def make_topics(log: SqliteLog, settings: Settings) -> None:
    """Make every topic, or give those that exist today's retention; repeatable."""
    for topic in TOPICS:
        kept = topic.retention_seconds is not None
        log.create_topic(
            topic.name,
            partitions=1 if topic.single_partition else settings.partitions,
            compacted=topic.compacted,
            retention_seconds=settings.log_retention_days * DAY_SECONDS if kept else None,
        )


def setup(settings: Settings) -> None:
    """Make the topics in the log file that the settings name."""
    log = SqliteLog(settings.log_path, on_failure=None)
    try:
        make_topics(log, settings)
    finally:
        log.close()


def partitions_of(log: SqliteLog) -> dict[str, int]:
    """The topics of the log and how many partitions each has."""
    return {topic.name: topic.partitions for topic in log.catalog.all()}


@asynccontextmanager
async def existing(settings: Settings) -> AsyncIterator[tuple[SqliteLog, History]]:
    """The log and the history of a data directory that is in use; makes neither."""
    _must_exist(settings.log_path)
    _must_exist(settings.history_path)
    log = SqliteLog(settings.log_path, on_failure=None)
    try:
        history = open_history(settings.history)
        try:
            yield log, history
        finally:
            await history.close()
    finally:
        log.close()


def _must_exist(path: Path) -> None:
    if not path.exists():
        raise NotStarted(f"there is no {path}; start with `keshikomi up`")
