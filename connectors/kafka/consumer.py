"""The read side of the Kafka driver: no position moves past an event still handled or not seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP

from connectors.log.sqlitelog import stop_process
from connectors.log.unfinished import without_unfinished


class Consumer(driver.Consumer):
    """Four holes of Faust 0.15.3 are closed here, each of which loses events.

    It commits past a gap of one, and past anything before its first commit. It hands its live set
    of active partitions to the client's thread: when the set becomes empty during a fetch, the
    client takes that for "all", and what it returns is thrown away. After a recovery it lets
    records in before it has gone to the committed positions. And it takes a gap in what it reads
    for acknowledged, which is right for compacted topics only: none that is read for work is.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._resumed_by_seek: set[TP] = set()
        self._fetching = asyncio.Lock()
        self._first: dict[TP, int] = {}
        """The offset from which a partition is read since the last seek: nothing before is ours."""
        self._stop_process: Callable[[BaseException], object] = getattr(
            self.app, "on_log_failure", stop_process
        )

    # -- fetching

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's own signature
        async with self._fetching:
            wanted = None if active_partitions is None else set(active_partitions)
            return await super()._getmany(wanted, timeout)

    # -- seeking

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Let records of changelogs in at once, of topics with work only after `perform_seek`."""
        changelogs = self.app.tables.changelog_topics
        wanted = set(tps)
        work = {tp for tp in wanted if tp.topic not in changelogs}
        self._resumed_by_seek |= work
        super().resume_partitions(wanted - work)

    async def perform_seek(self) -> None:
        """Go to the committed positions, or the oldest record where there is none, and go on."""
        async with self._fetching:  # what is fetched across a seek would be thrown away
            await self._seek_to_committed()

    async def _seek_to_committed(self) -> None:
        await super().perform_seek()
        work = {tp for tp in self.assignment() if tp.topic not in self.app.tables.changelog_topics}
        oldest = await self.earliest_offsets(*work)
        for tp in work:
            self._first[tp] = max(self._committed_offset[tp] or 0, oldest[tp])
            self._read_offset[tp] = None
        resumed, self._resumed_by_seek = self._resumed_by_seek & work, set()
        super().resume_partitions(resumed)

    # -- committing

    def _new_offset(self, tp: TP) -> int | None:
        """The next offset to commit: at most that of the oldest event not acknowledged."""
        acked = self._acked[tp]
        with without_unfinished(acked, tuple(self._unacked_messages), tp):
            if acked and self._leaves_a_hole(tp, min(acked)):
                return None
            return super()._new_offset(tp)

    def _leaves_a_hole(self, tp: TP, lowest: int) -> bool:
        """Whether records between the last commit and this one were never handed out."""
        expected = max(self._committed_offset[tp] or 0, self._first.get(tp, 0))
        if lowest <= expected:
            return False
        text = f"offsets {expected} to {lowest - 1} of {tp} were never handed out"
        self._stop_process(RuntimeError(text))
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets that were left out of a topic with work: read them again, in a new process."""
        if tp.topic in self.app.tables.changelog_topics:
            await super()._add_gap(tp, offset_from, offset_to)
            return
        text = f"offsets {offset_from} to {offset_to} of {tp} were left out"
        self._stop_process(RuntimeError(text))
