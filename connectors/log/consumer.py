"""The read side of the Faust driver: assignment, positions, and the loop that hands out records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from faust.types.tuples import TP, ConsumerMessage, Message
from mode.utils.futures import notify

from connectors.log.doorbell import Doorbell
from connectors.log.elements import Element
from connectors.log.heard import Heard, by_partition, in_line
from connectors.log.membership import Membership, fill_assignor
from connectors.log.message import message_of
from connectors.log.places import partition_of
from connectors.log.reader import Stored
from connectors.log.unfinished import EndsInTime, without_unfinished

if TYPE_CHECKING:
    from connectors.log.conducting import Conductor
    from connectors.log.producer import Producer
    from connectors.log.transport import Transport

RECORDS_PER_FETCH = 256
RECORDS_PER_TURN = 64
"""After so many records in a row the event loop gets a turn."""


class Consumer(EndsInTime):
    """Reads the whole log for one app: each group has one process, so nothing is ever revoked."""

    transport: Transport
    consumer_stopped_errors: ClassVar[tuple[type[BaseException], ...]] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.log_file = self.transport.log_file
        self._assigned: frozenset[TP] = frozenset()
        self._ids: dict[TP, int] = {}
        self._tps: dict[int, TP] = {}  # the same the other way round, without tables
        self._next: dict[TP, int] = {}
        self._generation = 0
        self._membership = Membership(self.log_file, self.transport.group_of)
        self._doorbell = Doorbell(self.log_file, Heard())
        # Who is in no hurry reads many records at once, and leaves the processor to others.
        self._gather_seconds: float = getattr(self.app, "gather_seconds", 0.0)

    @property
    def _producer(self) -> Producer:
        return cast("Producer", self.app.producer)

    @property
    def _conductor(self) -> Conductor:
        return cast("Conductor", self.app.topics)

    async def on_start(self) -> None:
        """Hang up the bell before the first look into the log, so that no ring is missed."""
        await super().on_start()
        self._doorbell.hang()

    async def on_stop(self) -> None:
        """Finish what was begun, then let another process have the groups."""
        await super().on_stop()
        self._doorbell.take_down()
        self._membership.leave()

    # -- topics and assignment

    async def create_topic(
        self, topic: str, partitions: int, replication: int, **rules: Any
    ) -> None:
        """Declare a topic."""
        await self._producer.create_topic(topic, partitions, replication, **rules)

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has, if it exists."""
        found = self.log_file.catalog.find(topic)
        return None if found is None else found.partitions

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Read these topics; the assignment must follow after this call has returned."""
        names = set(topics)
        for name in names:
            self._producer.topic(name)
        self.add_future(self._assign(names))

    async def _assign(self, topics: set[str]) -> None:
        app = self.app
        try:
            await self._membership.join(topics - app.tables.changelog_topics)
        except Exception as error:  # noqa: BLE001  # a worker without its groups must not run on
            await self.crash(error)
            return
        app.on_rebalance_start()
        self._generation += 1
        if self._assigned:
            await self.on_partitions_revoked(set(self._assigned))
        actives = {name: list(range(self.log_file.catalog.get(name).partitions)) for name in topics}
        self._assigned = frozenset(TP(name, n) for name, ns in actives.items() for n in ns)
        self._ids = {
            tp: self.log_file.catalog.get(tp.topic).partition_ids[tp.partition]
            for tp in self._assigned
        }
        tables = self.log_file.catalog.table_partitions
        self._tps = {each: tp for tp, each in self._ids.items() if each not in tables}
        for tp in self._assigned:
            self._next.setdefault(tp, 0)
        fill_assignor(app, actives)
        app.consumer_generation_id = self._generation
        await self.on_partitions_assigned(set(self._assigned), self._generation)

    def assignment(self) -> set[TP]:
        """Every partition of every topic that the app reads."""
        return set(self._assigned)

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int:
        """The partition of a key: the same as on Kafka."""
        if partition is not None:
            return partition
        return partition_of(key or b"", self.log_file.catalog.get(topic).partitions)

    # -- positions

    def _by_units(self, topic: str) -> bool:
        """Whether units move the positions of this topic."""
        return topic in self._producer.unit_order.topics

    def ack(self, message: Message) -> bool:
        """Note that a step is over; where units move the position, that is all there is to it."""
        if not self._by_units(message.topic):
            return super().ack(message)
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return True

    def _new_offset(self, tp: TP) -> int | None:
        """The offset that may be committed, never past a step that still runs."""
        if self._by_units(tp.topic):
            # Faust's compiled iteration notes by itself what it acknowledges, and asks nobody.
            self._acked[tp].clear()
            self._acked_index[tp].clear()
            return None
        with without_unfinished(self._acked[tp], self._unacked_messages, tp):
            return super()._new_offset(tp)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Move positions that no unit moves; positions never go back."""
        group_of, ids = self.transport.group_of, self._ids
        await self.log_file.barrier([(group_of(tp.topic), ids[tp], n) for tp, n in offsets.items()])
        return True

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to the durable positions; tables read their changelogs themselves."""
        await self.log_file.barrier()
        self._producer.unit_order.forget()
        found: dict[TP, int] = {}
        first_time: list[tuple[str, int, int]] = []
        for tp in self._assigned:
            if tp.topic in self.app.tables.changelog_topics:
                continue
            group, partition_id = self.transport.group_of(tp.topic), self._ids[tp]
            position = self.log_file.reader.committed(group, partition_id)
            if position is None:
                position = self.log_file.reader.earliest(partition_id)
                first_time.append((group, partition_id, position))
            found[tp] = self._next[tp] = position
        if first_time:
            # From now on retention knows that this group has yet to read these records.
            await self.log_file.barrier(first_time)
        self._doorbell.ring()
        return found

    async def _seek(self, partition: TP, offset: int) -> None:
        self._next[partition] = offset
        self._doorbell.ring()

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Go to these offsets; used by Faust's own recovery."""
        for tp, offset in partitions.items():
            self._next[tp] = offset
            self._read_offset[tp] = offset or None
        self._doorbell.ring()

    async def position(self, tp: TP) -> int | None:
        """The offset that is read next."""
        return self._next.get(tp)

    def highwater(self, tp: TP) -> int:
        """The offset that the partition's next record will have."""
        return self.log_file.end(tp.topic, tp.partition)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The same for several partitions."""
        return {tp: self.highwater(tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The oldest offsets that are kept."""
        return {tp: self.log_file.earliest(tp.topic, tp.partition) for tp in partitions}

    # -- handing out records

    def resume_flow(self) -> None:
        """Go on handing out."""
        super().resume_flow()
        self._doorbell.ring()

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Go on handing out from these partitions."""
        super().resume_partitions(tps)
        self._doorbell.ring()

    def on_buffer_drop(self, tp: TP) -> None:
        """An agent has caught up with what it was given: look for more."""
        super().on_buffer_drop(tp)
        self._doorbell.ring()

    async def _drain_messages(self, fetcher: Any) -> None:
        """Hand out records until the worker stops; Faust's own loop makes two tasks per record."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as in Faust
                else:
                    await self._hand_out()
                    await self._doorbell.wait()
                    await asyncio.sleep(self._gather_seconds)
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _hand_out(self) -> None:
        """Hand out what has come, to every agent that has room."""
        heard, generation = self._doorbell.quiet(), self._generation
        found = self._in_file() if heard is None else self._among(heard)
        for tp, records in found:
            await self._hand_out_partition(tp, records, generation)

    def _in_file(self) -> Iterator[tuple[TP, Sequence[Stored]]]:
        """What the file has for every partition that has more."""
        ends = self.log_file.reader.ends()
        for tp in tuple(self._get_active_partitions()):
            end = ends.get(self._ids[tp], 0)
            if end > self._next[tp]:
                self.app.monitor.track_tp_end_offset(tp, end)
                records = self._fetch(tp)
                if not records:
                    self._next[tp] = end
                yield tp, records

    def _among(self, heard: Sequence[Element]) -> Iterator[tuple[TP, Sequence[Stored]]]:
        """The same of what this process has committed; whoever cannot take it now asks later."""
        for partition_id, records in by_partition(heard, self._tps).items():
            tp = self._tps[partition_id]
            if tp in self._get_active_partitions():
                found = in_line(records, self._next[tp])
                yield tp, self._fetch(tp) if found is None else found

    def _fetch(self, tp: TP) -> Sequence[Stored]:
        records = self.log_file.reader.fetch(self._ids[tp], self._next[tp], RECORDS_PER_FETCH)
        if len(records) == RECORDS_PER_FETCH:
            self._doorbell.ring()  # there may be more
        return records

    async def _hand_out_partition(self, tp: TP, records: Sequence[Stored], generation: int) -> None:
        active, hand_out = self._active_partitions, self._conductor.hand_out
        for count, record in enumerate(records):
            if not self.flow_active or self._generation != generation or tp not in active:
                return
            if record.offset > self._next[tp]:
                await self._skip_gap(tp, self._next[tp], record.offset)
            self._next[tp] = record.offset + 1
            self._read_offset[tp] = record.offset
            message = self._to_message(tp, record)
            if not hand_out(message):
                await self.callback(message)
            if count % RECORDS_PER_TURN == RECORDS_PER_TURN - 1:
                await asyncio.sleep(0)

    async def _skip_gap(self, tp: TP, first: int, found: int) -> None:
        """Offsets that compaction removed count as acknowledged, or commits would wait for them."""
        topic = tp.topic
        if self.app.topics.acks_enabled_for(topic) and not self._by_units(topic):
            await self._add_gap(tp, first, found - 1)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        text = "this driver hands out records in `_drain_messages`"
        raise NotImplementedError(text)

    def _to_message(self, tp: TP, record: Stored) -> ConsumerMessage:
        return message_of(tp, record, self._generation)
