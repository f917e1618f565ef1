"""The read side of the Kafka driver: no position moves past an event still handled or not seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from aiokafka.errors import ConsumerStoppedError  # type: ignore[import-untyped]  # no types
from aiokafka.protocol.group import JoinGroupRequest  # type: ignore[import-untyped]  # no types
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP
from mode import Service

from connectors.kafka.cut import Cut, find_cut
from connectors.kafka.forgotten import Forgotten, OnForgotten, find_forgotten
from connectors.kafka.heartbeats import Heartbeats
from connectors.kafka.stopping import Expelled, stop_process
from connectors.log.conducting import Conductor
from connectors.log.unfinished import EndsInTime, without_unfinished
from streams.clock import monotonic_seconds

logger = logging.getLogger("keshikomi")

FETCH_SECONDS_MAX = 1.0
LOOK_SECONDS = 0.5
"""How often a worker looks whether it was frozen."""
FETCH_WAIT_MS = 250
"""How long the broker waits for a record to come; its answers to other questions wait behind.

With Faust's 1,500 each of the questions after a rebalance takes longer than the rebalance.
"""
GATHER_SECONDS = 0.01
"""How long records gather after some were fetched: while it is busy a worker asks less often."""
RECORDS_PER_TURN = 100
IDLE_SECONDS = 0.05
"""How soon a worker that may read nothing sees that it may again."""
COMMIT_SECONDS_MAX = 30.0
"""A broker may be away for so long, as for a send; aiokafka itself would wait for ever."""


class Thread(driver.AIOKafkaConsumerThread):
    """Faust's thread with shorter waits, which listens to what the group answers."""

    async def on_start(self) -> None:
        """Make the client and listen before it asks its group anything."""
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001  # no other way
        cast("Consumer", self.consumer).heartbeats.listen(coordinator)

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  # Faust gives it no argument
        return consumer

    async def _commit(self, offsets: Any) -> bool:
        """Whether it was done; without an answer the process ends, for Faust commits no twice."""
        try:
            async with asyncio.timeout(COMMIT_SECONDS_MAX):
                return bool(await super()._commit(offsets))
        except TimeoutError:
            text = f"a commit had no answer within {COMMIT_SECONDS_MAX:g} s"
            cast("Consumer", self.consumer).stop_process(RuntimeError(text))
            return False


class Consumer(EndsInTime, driver.Consumer):
    """Holes of Faust 0.15.3 are closed here, most of which lose events.

    It commits past a gap of one, and past anything before its first commit. It hands its live set
    of active partitions to the client's thread: when the set becomes empty during a fetch, the
    client takes that for "all", and what it returns is thrown away. After a recovery it lets
    records in before it has gone to the committed positions. And it takes a gap in what it reads
    for acknowledged, which is right for compacted topics only: none that is read for work is. When
    partitions are revoked it forgets their positions before the steps under way have ended. An
    old recovery that ends between two assignments lets records in that are not ours any more. And
    where Kafka forgot records before they were read, it goes on behind them without a word. Where
    a broker lost the end of what was read, it throws new records away until they have passed it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._resumed_by_seek: set[TP] = set()
        self._sought: set[TP] = set()
        self._fetching = asyncio.Lock()
        self._first: dict[TP, int] = {}
        """The offset from which a partition is read since the last seek: nothing before is ours."""
        self._cut: set[TP] = set()
        """What has lost its end: its old positions say nothing about what it has now."""
        self._is_member = False
        self._is_joining = False
        self._gather_seconds: float = getattr(self.app, "gather_seconds", 0.0) or GATHER_SECONDS
        self._fetch_again_at = 0.0
        self._unit_topics: frozenset[str] = getattr(self.app, "unit_topics", frozenset())
        self._on_forgotten: OnForgotten | None = getattr(self.app, "on_forgotten", None)
        self.stop_process: Callable[[BaseException], object] = getattr(
            self.app, "on_log_failure", stop_process
        )
        self.heartbeats = Heartbeats(self.app.conf, self.stop_process)

    def _new_consumer_thread(self) -> Thread:
        return Thread(self, loop=self.loop, beacon=self.beacon)

    # -- fetching

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109  # Faust's own signature
        await asyncio.sleep(self._fetch_again_at - monotonic_seconds())
        async with self._fetching:
            wanted = set(active_partitions or ())  # it may have become empty since it was given
            if not wanted:
                return {}
            records = await super()._getmany(wanted, timeout)
        if records:
            self._fetch_again_at = monotonic_seconds() + self._gather_seconds
        return records

    async def _drain_messages(self, fetcher: Any) -> None:
        """Hand out records until the worker stops; Faust's own loop makes four tasks for each."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)  # there may be nothing to wait for
                count = 0
                async for tp, message in self.getmany(timeout=FETCH_SECONDS_MAX):
                    await self._hand_out(tp, message)
                    count += 1
                    if count % RECORDS_PER_TURN == 0:
                        await asyncio.sleep(0)
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:
                raise

    async def _hand_out(self, tp: TP, message: Any) -> None:
        read, offset = self._read_offset[tp], message.offset
        first = self._first.get(tp, 0)
        expected = first if read is None else read + 1
        is_work = self.app.topics.acks_enabled_for(tp.topic)
        if offset < (first if read is None else read):
            if is_work and tp not in self._cut:
                await self._stop_at_cut(Cut(tp, self.app.conf.id, expected, offset))
            return
        if offset > expected and is_work:
            self._stop_at_gap(tp, expected, offset)
        if cast("Conductor", self.app.topics).hand_out(message):
            pass
        elif self._has_room():
            await self.callback(message)
        else:  # given up when partitions move: what waits in front of a full queue is read again
            await self.wait_first(self.callback(message), self.suspend_flow.wait())
        self._read_offset[tp] = offset

    def _has_room(self) -> bool:
        """Whether handing out one record cannot wait for anything."""
        return self.app.flow_control.is_active() and not any(
            channel.queue.full() for channel in self.app.topics
        )

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ASYNC109  # as above
        """Faust sleeps for a second when it may read nothing, as after each rebalance."""
        while self.flow_active and not self.should_stop and not self._get_active_partitions():  # noqa: ASYNC110  # Faust sets no event
            await asyncio.sleep(IDLE_SECONDS)
        return await super()._wait_next_records(timeout)

    # -- sharing with other workers

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """End the steps under way and commit them, before Faust forgets where they were."""
        self._is_joining = True
        if self._is_member and self._is_expelled():
            self._end_process()
        assignment = self.assignment()
        if assignment:
            self.stop_flow()
            self.app.flow_control.suspend()
            self.pause_partitions(assignment)
            self.app.flow_control.clear()
            await self.wait_empty()
            await self.commit()  # the one before may have been another's, which began too early
        await super().on_partitions_revoked(revoked)
        self.heartbeats.are_due = False  # until here they go on; none is sent while it joins

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin with what this worker has from now on."""
        self._is_member, self._is_joining = True, False
        self._sought, self._resumed_by_seek = set(), set()  # of the partitions before
        await super().on_partitions_assigned(assigned, generation_id)
        self.heartbeats.are_due = True

    def resume_flow(self) -> None:
        """Let records in, unless it is not known at this moment whose they are."""
        if not self._is_joining:
            sought, self._sought = self._sought, set()
            super().resume_partitions(sought)
            super().resume_flow()

    def _by_units(self, topic: str) -> bool:
        return topic in self._unit_topics

    def _is_expelled(self) -> bool:
        """Whether the group does not know this member any more; then others have its partitions."""
        coordinator = self._thread._ensure_consumer()._coordinator  # noqa: SLF001  # no other way
        return bool(coordinator.member_id == JoinGroupRequest.UNKNOWN_MEMBER_ID)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust guesses by its monitor, which is off, and errs from 300 s on."""

    @Service.task
    async def _stop_when_frozen(self) -> None:
        """End a process that was frozen for a whole session before it does anything else.

        Others have its partitions by now, and what it would write of them is out of date.
        """
        seen = monotonic_seconds()
        while not self.should_stop:
            await asyncio.sleep(LOOK_SECONDS)
            now = monotonic_seconds()
            if now - seen > self.app.conf.broker_session_timeout:
                self._end_process()
            seen = now

    def _end_process(self) -> None:
        self.stop_process(Expelled(self.app.conf))

    # -- seeking

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Let records of changelogs in at once, of topics with work only after `perform_seek`."""
        changelogs = self.app.tables.changelog_topics
        wanted = set(tps)
        work = {tp for tp in wanted if tp.topic not in changelogs}
        self._resumed_by_seek |= work
        super().resume_partitions(wanted - work)

    async def perform_seek(self) -> None:
        """Go to the committed positions, or the oldest record where there is none."""
        async with self._fetching:  # what is fetched across a seek would be thrown away
            await self._seek_to_committed()

    async def _seek_to_committed(self) -> None:
        await super().perform_seek()
        work = {tp for tp in self.assignment() if tp.topic not in self.app.tables.changelog_topics}
        oldest = await self.earliest_offsets(*work)
        committed = {tp: self._committed_offset[tp] for tp in work}
        cut = find_cut(self.app.conf.id, committed, oldest, await self.highwaters(*work))
        self._first |= {tp: max(committed[tp] or 0, oldest[tp]) for tp in work}
        self._first |= {each.tp: each.oldest for each in cut}
        # aiokafka stays where it is where nothing is committed, past what was thrown away, and
        # goes by itself to the oldest where what was committed is forgotten.
        if moved := {tp: self._first[tp] for tp in work if self._first[tp] != committed[tp]}:
            await self.seek_wait(moved)
        self._read_offset.update(dict.fromkeys(work))
        if not self._is_joining:  # nothing can be committed until it is known whose they are
            await self._tell(find_forgotten(self.app.conf.id, committed, oldest), cut)
        # Faust empties the streams' queues before it calls `resume_flow`: nothing comes in sooner.
        # Its fetcher seeks on its own too, while nothing may come in: what is sought stays so.
        self._sought |= self._resumed_by_seek & work
        self._resumed_by_seek = set()

    async def _tell(self, gone: Sequence[Forgotten], cut: Sequence[Cut]) -> None:
        """Own up once to accepted records that nobody will read, and go on with what is left."""
        for tp, records in ((each.tp, each.records) for each in gone):
            if self._on_forgotten is not None:
                self._on_forgotten(tp.topic, records)
        missing: tuple[Forgotten | Cut, ...] = (*gone, *cut)
        for each in missing:
            logger.critical("%s", each)
        # Committed, they are told once, and lag and audits count what can still be read.
        if left := {each.tp: each.oldest for each in missing}:
            self._committed_offset.update(left)
            await self._commit(left)

    async def _stop_at_cut(self, cut: Cut) -> None:
        """Have a new process read again what is left; the position would soon look right again."""
        self._cut.add(cut.tp)
        await self._commit({cut.tp: cut.oldest})
        self.stop_process(RuntimeError(str(cut)))

    # -- committing

    def _new_offset(self, tp: TP) -> int | None:
        """The next offset to commit: at most that of the oldest event not acknowledged."""
        acked = self._acked[tp]
        with without_unfinished(acked, tuple(self._unacked_messages), tp):
            if tp in self._cut or (acked and self._leaves_a_hole(tp, min(acked))):
                return None
            return super()._new_offset(tp)

    def _leaves_a_hole(self, tp: TP, lowest: int) -> bool:
        """Whether records between the last commit and this one were never handed out."""
        expected = max(self._committed_offset[tp] or 0, self._first.get(tp, 0))
        if lowest <= expected:
            return False
        self._stop_at_gap(tp, expected, lowest)
        return True

    def _stop_at_gap(self, tp: TP, first: int, until: int) -> None:
        """Read again, in a new process, what was left out; it tells what Kafka has forgotten."""
        text = f"offsets {first} to {until - 1} of {tp} were left out"
        self.stop_process(RuntimeError(text))
