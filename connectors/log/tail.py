"""The read side of the embedded log for a process that follows a whole topic by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from connectors.log.doorbell import Doorbell
from connectors.log.places import partition_of
from connectors.log.sqlitelog import SqliteLog
from streams.ports import Fetched, Place
from streams.topics import INVOICES, REFERENCES, group_of_topic


class LogTail:
    """Implements `streams.ports.Tail`; its doorbell hangs from the first wait until `close`."""

    def __init__(self, log_file: SqliteLog) -> None:
        self._log_file = log_file
        self._doorbell: Doorbell | None = None

    async def fetch(self, topic: str, partition: int, offset: int, limit: int) -> Sequence[Fetched]:
        """Durable records from `offset` on; a look into the file takes microseconds."""
        return [
            Fetched(
                place=Place(topic=topic, partition=partition, offset=stored.offset),
                recorded_at=datetime.fromtimestamp(stored.timestamp_ms / 1000, UTC),
                key=stored.key or b"",
                value=stored.value or None,
            )
            for stored in self._log_file.fetch(topic, partition, offset, limit)
        ]

    async def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will have."""
        return self._log_file.end(topic, partition)

    async def wait(self, timeout_seconds: float) -> None:
        """Return when something may have been appended since the last return, or after the time."""
        if self._doorbell is None:
            self._doorbell = Doorbell(self._log_file)
            self._doorbell.hang()
            return
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._doorbell.wait()
        except TimeoutError:
            return
        self._doorbell.quiet()

    async def untaken_since(self) -> datetime | None:
        """The log time of the oldest record that a step before history has yet to take."""
        groups = group_of_topic()
        waiting = []
        for name in (REFERENCES.name, INVOICES.name):
            for partition in range(self._log_file.catalog.get(name).partitions):
                taken = self._log_file.committed(groups[name], name, partition)
                oldest = await self.fetch(name, partition, taken or 0, 1)
                waiting += [each.recorded_at for each in oldest]
        return min(waiting, default=None)

    def partition_of(self, topic: str, key: bytes) -> int:
        """The partition that holds a key."""
        return partition_of(key, self._log_file.catalog.get(topic).partitions)

    def close(self) -> None:
        """Take the doorbell down."""
        if self._doorbell is not None:
            self._doorbell.take_down()
            self._doorbell = None
