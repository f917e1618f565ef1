"""The partitions of a table that this worker has: brought up to date, kept so, and let go."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from connectors.kafka.replay import Changelog, opened
from connectors.kafka.rows import Mark, Row, Rows
from streams.clock import monotonic_seconds, system_clock

FRESH_SECONDS = 12 * 3_600
"""Kafka keeps the news that a row was removed for a day; an older copy may not hear of it."""

logger = logging.getLogger("keshikomi")


class Partitions:
    """Rows that are exactly what their changelog says up to an offset, which is kept with them.

    A partition is ours (`in`) from the end of its loading until it is let go.
    """

    def __init__(self, changelog: str, rows: Rows, *, installation: str = "") -> None:
        """Take the changelog's name, and the id of the installation that it is of."""
        self._changelog, self._rows, self._installation = changelog, rows, installation
        self._marks: dict[int, Mark] = {}
        self.replayed = 0
        """How many records were read to bring partitions up to date."""

    def __contains__(self, partition: object) -> bool:
        return partition in self._marks

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._marks))

    def offset(self, partition: int) -> int | None:
        """The last offset of the changelog that the rows follow, where the partition is ours."""
        mark = self._marks.get(partition)
        return None if mark is None else mark.offset

    def apply(self, partition: int, rows: Iterable[Row], offset: int) -> None:
        """Take in what the changelog says next, up to this offset."""
        mark = self._marks[partition]._replace(offset=offset, at=_now())
        self._rows.apply(partition, rows, mark)
        self._marks[partition] = mark

    def find(self, partition: int, key: bytes) -> bytes | None:
        """The value of a key in a partition."""
        return self._rows.find(partition, key)

    def pieces(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """The rows of every partition; each piece as it stands when it is asked for."""
        for partition in self:
            for piece in self._rows.pieces(partition):
                if partition not in self:
                    break  # it went to another worker meanwhile
                yield piece

    def some(
        self, partition: int, first: bytes, until: bytes, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` rows of a partition in key order, from a key on and before another."""
        return self._rows.some(partition, first, until, limit)

    def leave(self, partition: int) -> None:
        """Let go of a partition, which may come back."""
        self._touch(partition)
        self._marks.pop(partition, None)
        self._rows.leave(partition)

    def close(self) -> None:
        """Let go of all of them, and keep what is to be kept."""
        for partition in self:
            self._touch(partition)
        self._marks.clear()
        self._rows.close()

    def _touch(self, partition: int) -> None:
        """Up to this moment the rows are known to be all that the changelog says."""
        if partition in self._marks:
            self.apply(partition, (), self._marks[partition].offset)

    # -- loading

    async def load(self, wanted: Sequence[int], client_options: Mapping[str, Any]) -> None:
        """Bring partitions up to the end of the changelog; raises what aiokafka raises."""
        began, before = monotonic_seconds(), self.replayed
        async with opened(client_options) as client:
            now = _now()
            changelog = await client.measure(self._changelog, wanted)
            # A cluster may have its name from a file, and lose all else.
            changelog.cluster = f"{changelog.cluster} {self._installation}".rstrip()
            await self._replay(
                changelog, {number: self._start(number, changelog, now) for number in wanted}
            )
        for number in wanted:
            mark = Mark(changelog.ends[number] - 1, now, changelog.cluster)
            self._rows.apply(number, (), mark)
            self._marks[number] = mark
        logger.info(
            "%s: partitions %s are up to date, %d records read in %.1f s",
            self._changelog,
            sorted(wanted),
            self.replayed - before,
            monotonic_seconds() - began,
        )

    async def _replay(self, changelog: Changelog, starts: Mapping[int, Mark]) -> None:
        offsets = {partition: mark.offset + 1 for partition, mark in starts.items()}
        async for partition, rows, until in changelog.read(offsets):
            # Until the end is reached the rows are as old as what they began with.
            self._rows.apply(partition, rows, starts[partition]._replace(offset=until - 1))
            self.replayed += len(rows)

    def _start(self, partition: int, changelog: Changelog, now: int) -> Mark:
        """The mark of the rows that are here, if they can be used; the topic's begin if not."""
        begin, end = changelog.begins[partition], changelog.ends[partition]
        mark = self._rows.mark(partition)
        if mark is None:
            return Mark(begin - 1, now, changelog.cluster)
        is_of_this_log = mark.cluster == changelog.cluster and begin <= mark.offset + 1 <= end
        if is_of_this_log and now - mark.at < FRESH_SECONDS:
            return mark
        logger.warning(
            "%s: the copy of partition %d on this machine is %s and is made again",
            self._changelog,
            partition,
            "too old" if is_of_this_log else "of another log",
        )
        self._rows.forget(partition)
        return Mark(begin - 1, now, changelog.cluster)


def _now() -> int:
    return int(system_clock().timestamp())
