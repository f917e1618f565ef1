"""The engines that the settings name, opened for a process or a command and closed after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from connectors.history.opening import CASSANDRA, make_at, open_history
from connectors.history.sqlite import SqliteHistory
from connectors.kafka.admin import has_topics, rewind
from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import KafkaConnection
from connectors.kafka.tail import KafkaTail
from connectors.kafka.topics import TopicPlan
from connectors.kafka.topics import make_topics as make_kafka_topics
from connectors.log.sqlitelog import SqliteLog
from connectors.log.tail import LogTail
from connectors.signals.opening import open_signals
from ops.cql.files import history_migrations
from ops.settings import Settings
from ops.standing import LogPositions
from streams.clock import system_clock
from streams.domain.errors import KeshikomiError
from streams.hints import Signals
from streams.ports import Appender, History, Tail
from streams.topics import CHANGELOGS, DAY_SECONDS, TOPICS

if TYPE_CHECKING:
    from connectors.history.cassandra.engine import CassandraHistory

logger = logging.getLogger("keshikomi")


class NotStarted(KeshikomiError):
    """There is no data yet; `keshikomi up` or `keshikomi setup` makes it."""

    code = "not_started"


class Log(Protocol):
    """A log as a process without a Faust app uses it, whatever engine it is."""

    @property
    def appender(self) -> Appender: ...
    @property
    def tail(self) -> Tail: ...
    async def positions(self) -> LogPositions:
        """Where everything stands now."""
        ...

    def partitions(self) -> Mapping[str, int]:
        """The topics and how many partitions each has."""
        ...

    async def rewind(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Have a group that nobody runs read again from these offsets; raises `Unavailable`."""
        ...

    async def close(self) -> None: ...


class EmbeddedLog:
    """The log on one file, opened for this or shared with the Faust app of the process."""

    def __init__(self, log_file: SqliteLog) -> None:
        self.appender = log_file
        self.tail = LogTail(self.appender)

    async def positions(self) -> LogPositions:
        """The file itself: a look takes microseconds."""
        return self.appender

    def partitions(self) -> Mapping[str, int]:
        """As the file says."""
        return partitions_of(self.appender)

    async def rewind(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Positions are rows of the file."""
        for (topic, partition), offset in offsets.items():
            self.appender.catalog.rewind(group, topic, partition, offset)

    async def close(self) -> None:
        """Make everything queued durable."""
        self.tail.close()
        self.appender.close()


class KafkaLog:
    """The log on Kafka."""

    def __init__(self, connection: KafkaConnection, partitions: Mapping[str, int]) -> None:
        self._connection, self._partitions = connection, partitions
        self.appender = KafkaAppender(connection)
        self.tail = KafkaTail(connection, partitions, system_clock)

    async def positions(self) -> LogPositions:
        """A snapshot; raises `Unavailable`."""
        return await self.tail.positions()

    def partitions(self) -> Mapping[str, int]:
        """As `setup` made them, or it would not have gone on."""
        return self._partitions

    async def rewind(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Kafka allows it while the group has no members."""
        await rewind(self._connection, group, offsets)

    async def close(self) -> None:
        """Disconnect."""
        await self.appender.close()
        await self.tail.close()


def open_log(settings: Settings) -> Log:
    """The log that the settings name."""
    if settings.kafka is None:
        # One that cannot be written refuses, and the process goes on.
        return EmbeddedLog(SqliteLog(settings.log_path, on_failure=None))
    partitions = {plan.name: plan.partitions for plan in _log_plans(settings)}
    return KafkaLog(settings.kafka, partitions)


def open_the_history(settings: Settings) -> SqliteHistory | CassandraHistory:
    """The history that the settings name."""
    return open_history(
        settings.history,
        migrations=history_migrations(),
        retention_days=settings.history_retention_days,
    )


def open_the_signals(settings: Settings) -> Signals:
    """The live feed that goes with the cache and the history that the settings name."""
    return open_signals(
        settings.cache,
        password=settings.cache_password,
        directory=settings.data / "run" / "signals",
        one_machine=not settings.history.startswith(CASSANDRA),
    )


# --- topics


def topic_plans(settings: Settings) -> Sequence[TopicPlan]:
    """Every topic on Kafka: those of the log, and the changelogs of the tables."""
    changelogs = [
        TopicPlan(
            name=name,
            partitions=settings.partitions,
            replication=settings.kafka_replication,
            compacted=True,
        )
        for name in CHANGELOGS
    ]
    return [*_log_plans(settings), *changelogs]


def _log_plans(settings: Settings) -> list[TopicPlan]:
    """The topics of the log, the same on every engine."""
    retention_seconds = int(settings.log_retention_days * DAY_SECONDS)
    return [
        TopicPlan(
            name=topic.name,
            partitions=1 if topic.single_partition else settings.partitions,
            replication=settings.kafka_replication,
            compacted=topic.compacted,
            retention_seconds=None if topic.retention_seconds is None else retention_seconds,
        )
        for topic in TOPICS
    ]


def make_topics(log: SqliteLog, settings: Settings) -> None:
    """Make every topic, or give those that exist today's retention; repeatable."""
    for plan in _log_plans(settings):
        log.create_topic(
            plan.name,
            partitions=plan.partitions,
            compacted=plan.compacted,
            retention_seconds=plan.retention_seconds,
        )


def setup(
    settings: Settings, *, exactly: bool = False, say: Callable[[str], object] = logger.info
) -> None:
    """Make the topics in the log that the settings name, and say what was done.

    On Kafka topics that differ are refused. That records stay too short is mended; that they stay
    longer than the settings say is left so, unless these are meant `exactly`: another machine may
    have other settings, or somebody lengthened it because a stage lags.
    """
    connection = settings.kafka
    if connection is not None:
        work = make_kafka_topics(connection, topic_plans(settings), exactly=exactly)
        with ThreadPoolExecutor(1) as pool:  # a loop may be running in this thread
            for sentence in pool.submit(asyncio.run, work).result():
                say(sentence)
        return
    log = SqliteLog(settings.log_path, on_failure=None)
    try:
        make_topics(log, settings)
    finally:
        log.close()


def make_history(settings: Settings) -> list[str]:
    """Make the keyspace of a history on Cassandra, or let its rows live as the settings say.

    Returns what was done, in sentences; a history on a file makes itself. Raises `Unavailable`,
    `CorruptState`, and `Conflict` when the keyspace that is there, or the cluster, does not keep as
    many copies as it must.
    """
    if not settings.history.startswith(CASSANDRA):
        return []
    days = settings.history_retention_days
    return make_at(settings.history, history_migrations(), retention_days=days)


def partitions_of(log: SqliteLog) -> dict[str, int]:
    """The topics of the log and how many partitions each has."""
    return {topic.name: topic.partitions for topic in log.catalog.all()}


@asynccontextmanager
async def existing(settings: Settings) -> AsyncIterator[tuple[Log, History]]:
    """The log and the history of an installation that is in use; makes and alters neither.

    A shell may have other settings than the processes, a shorter retention for one.
    """
    if settings.kafka is None:
        _must_exist(settings.log_path)
    elif not await has_topics(settings.kafka, (topic.name for topic in TOPICS)):
        raise NotStarted(f"{settings.broker} has no topics of ours; start with `keshikomi setup`")
    if not settings.history.startswith(CASSANDRA):
        _must_exist(settings.history_path)
    log = open_log(settings)
    try:
        history = open_history(settings.history)
        try:
            yield log, history
        finally:
            await history.close()
    finally:
        await log.close()


def _must_exist(path: Path) -> None:
    if not path.exists():
        raise NotStarted(f"there is no {path}; start with `keshikomi up`")
