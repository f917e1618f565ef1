"""The table store on Kafka: rows that the broker has, beside them those of steps under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from aiokafka.structs import RecordMetadata  # type: ignore[import-untyped]  # it ships no types
from faust.stores import STORES
from faust.types import EventT
from faust.types.tuples import TP

from connectors.kafka.partitions import Partitions
from connectors.kafka.replay import client_options_of
from connectors.kafka.rows import ON_DISK, MemoryRows, RocksRows
from connectors.kafka.stopping import stop_process
from connectors.kafka.unit import Outgoing
from connectors.log.limits import row_must_fit
from connectors.log.recordstore import DirtyRow, RecordStore

if TYPE_CHECKING:
    from connectors.kafka.producer import Producer

SCHEME = "kafkarows"


class Store(RecordStore):
    """A mapping whose rows are exactly its changelog, as far as the broker has acknowledged it.

    A step's write is `dirty` until its changelog record is acknowledged; steps see it at once.
    Only then does it go to the rows, together with the record's offset, so rows on disk are never
    ahead of the changelog and their mark says what they lack. `load` brings partitions that come
    to this worker up to the end of their changelogs before any step of theirs runs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opened: Partitions | None = None
        self._stop_process: Callable[[BaseException], object] = getattr(
            self.app, "on_log_failure", stop_process
        )

    @property
    def partitions(self) -> Partitions:
        """What is here, opened at first use."""
        if self._opened is None:
            folder = Path(self.app.conf.datadir) / self.table_name
            rows = RocksRows(folder) if self.url.host == ON_DISK else MemoryRows()
            installation = self.url.path.strip("/")
            self._opened = Partitions(self.changelog_name, rows, installation=installation)
        return self._opened

    # -- writing

    def write(self, partition: int, key: bytes, value: bytes | None) -> Change:
        """Take in the row of a changelog record that is about to be sent."""
        return Change(self, partition, key, value or None)

    def write_with_step(self, key: bytes, value: bytes | None) -> bool:
        """Write, or with None remove, a row in the open unit; false when no step is under way.

        The partition is that of the step's own event, as with Faust's tables. Raises `OverLimit`
        for a row that is more than the log takes.
        """
        unit, partition = cast("Producer", self.app.producer).opened, self.partition_of_step()
        if unit is None or partition is None:
            return False
        row_must_fit(self.changelog_name, key, value)
        change = self.write(partition, key, value)
        record = Outgoing(self.changelog_name, key, value or None, partition, (), change.settle)
        unit.outgoing.append(record)
        unit.undo.append(change.undo)
        return True

    def settle(self, change: Change, offset: int) -> None:
        """The broker has the record: its row goes to the others."""
        if self.dirty.get(change.key) is change:
            del self.dirty[change.key]
        known = self.partitions.offset(change.partition)
        if known is None or offset <= known:
            return  # the partition is not ours any more, or was read again up to here
        if offset != known + 1:
            # Whoever wrote between has the partition as well; reading it again puts us right.
            text = (
                f"{self.changelog_name} has records before {offset} that are not from this worker"
            )
            self._stop_process(RuntimeError(text))
            return
        try:
            self.partitions.apply(change.partition, [(change.key, change.value)], offset)
        except Exception as error:
            self._stop_process(error)  # whoever waits for the record would wait for ever
            raise

    # -- reading

    def find(self, key: bytes) -> bytes | None:
        """The value of a key, or None; a step looks for rows of its own event's partition only."""
        change = self.dirty.get(key)
        if change is not None:
            return change.value
        own = self.partition_of_step()
        if own is None:
            found = (self.partitions.find(partition, key) for partition in self.partitions)
            return next((value for value in found if value is not None), None)
        if own not in self.partitions:
            message = f"partition {own} of {self.table_name} is not loaded"
            raise RuntimeError(message)
        return self.partitions.find(own, key)

    def __len__(self) -> int:
        return sum(len(piece) for piece in self.pieces())

    def pieces(self) -> Iterator[list[tuple[bytes, bytes]]]:
        """All rows, each once; a piece is what stands there at the moment when it is asked for.

        Rows that a step adds while the table is gone through may be left out.
        """
        under_way = dict(self.dirty)
        yield [(key, change.value) for key, change in under_way.items() if change.value is not None]
        for rows in self.partitions.pieces():
            piece = ((key, self._newest(key, value)) for key, value in rows if key not in under_way)
            yield [(key, value) for key, value in piece if value is not None]

    def some(self, first: bytes, until: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """See `RecordStore`."""
        own = self.partition_of_step()
        for partition in self.partitions if own is None else [own]:
            begin: bytes | None = first
            while begin is not None:
                durable = self.partitions.some(partition, begin, until, limit)
                rows, more = self.with_dirty(durable, partition, begin, until, limit)
                if rows:
                    return rows
                begin = more
        return []

    def _newest(self, key: bytes, value: bytes) -> bytes | None:
        change = self.dirty.get(key)
        return value if change is None else change.value

    # -- partitions that come and go

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],
        newly_assigned: set[TP],
        generation_id: int = 0,
    ) -> None:
        """Let go of what went to other workers; everything sent was acknowledged before."""
        del newly_assigned, generation_id
        ours = {tp.partition for tp in assigned if tp.topic == self.changelog_name}
        gone = {tp.partition for tp in revoked if tp.topic == self.changelog_name} - ours
        for partition in gone:
            self.partitions.leave(partition)
        self.dirty = {
            key: change for key, change in self.dirty.items() if change.partition not in gone
        }

    async def load(self, assigned: set[TP]) -> None:
        """Bring every partition that is new here up to date; raises what aiokafka raises."""
        ours = [tp.partition for tp in assigned if tp.topic == self.changelog_name]
        wanted = [partition for partition in ours if partition not in self.partitions]
        if wanted:
            await self.partitions.load(wanted, client_options_of(self.app))

    def persisted_offset(self, tp: TP) -> int | None:
        """The last offset whose row is here; Faust reads what comes after it."""
        return self.partitions.offset(tp.partition)

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """It is written with the rows, see `settle`."""

    def apply_changelog_batch(
        self,
        batch: Iterable[EventT[Any]],
        to_key: Callable[[Any], Any],
        to_value: Callable[[Any], Any],
    ) -> None:
        """Take in records that came after `load` had looked for the end."""
        del to_key, to_value
        for event in batch:
            message = event.message
            known = self.partitions.offset(message.partition)
            if known is not None and message.offset > known:
                row = message.key or b"", message.value or None
                self.partitions.apply(message.partition, [row], message.offset)

    def reset_state(self) -> None:
        """Rows are removed where they are found to be of no use, see `load`."""

    async def backup_partition(
        self,
        tp: TP | int,
        flush: bool = True,  # noqa: FBT001, FBT002  # Faust's own signature
        purge: bool = False,  # noqa: FBT001, FBT002  # as above
        keep: int = 1,
    ) -> None:
        """The changelog is the truth; these rows are a copy of it."""

    def restore_backup(
        self,
        tp: TP | int,
        latest: bool = True,  # noqa: FBT001, FBT002  # as above
        backup_id: int = 0,
    ) -> None:
        """The changelog is the truth; these rows are a copy of it."""

    async def on_stop(self) -> None:
        """Close what is on disk."""
        partitions, self._opened = self._opened, None
        if partitions is not None:
            partitions.close()


class Change(DirtyRow[Store]):
    """A row whose record is not acknowledged yet."""

    __slots__ = ()

    def settle(self, metadata: RecordMetadata) -> None:
        """The record is acknowledged."""
        self.before = None
        self.owner.settle(self, metadata.offset)


def register() -> None:
    """Make the store known to Faust."""
    STORES.aliases[SCHEME] = "connectors.kafka.store:Store"


def url_of(kind: str, installation: str = "") -> str:
    """The store of a kind, `IN_MEMORY` or `ON_DISK`, for an installation, as Faust wants it."""
    return f"{SCHEME}://{kind}/{installation}"
