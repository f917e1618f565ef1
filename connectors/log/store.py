"""The table store of the embedded log: in memory, loaded straight from the changelog's rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from faust.stores import memory
from faust.types import EventT
from faust.types.tuples import TP

if TYPE_CHECKING:
    from connectors.log.producer import Producer
    from connectors.log.transport import Transport

_MISSING = object()


class Store(memory.Store[Any, Any]):
    """A dict whose recovery needs no replay: what it loads is what the log holds at that moment."""

    def __post_init__(self) -> None:
        self.data: dict[Any, Any] = {}
        self._loaded: set[TP] = set()
        self._key_partition: dict[Any, int] = {}

    @property
    def _transport(self) -> Transport:
        return cast("Transport", self.app.transport)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._remember(key)
        # A result of orjson keeps some 4 KB alive whatever its length; a copy does not.
        self.data[key] = bytes(bytearray(value)) if type(value) is bytes else value

    def __delitem__(self, key: Any) -> None:
        self._remember(key)
        del self.data[key]

    def update(self, *changes: Any, **named: Any) -> None:
        """Set several keys, each so that it can be taken back."""
        for key, value in dict(*changes, **named).items():
            self[key] = value

    def _clear(self) -> None:
        for key in tuple(self.data):
            del self[key]

    def _remember(self, key: Any) -> None:
        """Let the open unit take this write back, should its step fail."""
        opened = cast("Producer", self.app.producer).opened
        if opened is not None:
            opened.undo.append(_restoring(self.data, key))

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],
        newly_assigned: set[TP],
        generation_id: int = 0,
    ) -> None:
        """Load every partition of the table's changelog that is new here."""
        changelog = self.table.changelog_topic.get_topic_name()
        self._loaded -= revoked
        for tp in sorted(assigned):
            if tp.topic == changelog and tp not in self._loaded:
                await self._load(tp)
                self._loaded.add(tp)

    async def _load(self, tp: TP) -> None:
        """Apply a partition's rows in order: the last of a key is what the table knows."""
        log_file = self._transport.log_file
        partition_id = log_file.catalog.get(tp.topic).partition_ids[tp.partition]
        until = log_file.reader.end(partition_id)
        newest: dict[bytes, bytes] = {}
        for rows in log_file.reader.newest(partition_id, until):
            newest.update(rows)  # type: ignore[arg-type]  # tombstones are left out below
            await asyncio.sleep(0)
        raw_keys, raw_values = self.key_type is bytes, self.value_type is bytes
        table: Any = self.table
        to_key: Callable[[Any], Any] = table._to_key
        for key, value in newest.items():
            if value:
                self.data[key if raw_keys else to_key(self._decode_key(key))] = (
                    value if raw_values else self._decode_value(value)
                )

    def persisted_offset(self, tp: TP) -> int | None:
        """The last offset of a loaded partition: only this process writes it, nothing is newer."""
        if tp not in self._loaded:
            return None
        return self._transport.log_file.end(tp.topic, tp.partition) - 1

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Nothing to throw away: the driver assigns every partition to the one process."""

    def apply_changelog_batch(
        self,
        batch: Iterable[EventT[Any]],
        to_key: Callable[[Any], Any],
        to_value: Callable[[Any], Any],
    ) -> None:
        """Apply changes in order, should Faust's recovery find any left."""
        for event in batch:
            key = to_key(event.key)
            if event.message.value:
                self.data[key] = to_value(event.value)
            else:
                self.data.pop(key, None)


def _restoring(data: dict[Any, Any], key: Any) -> Callable[[], None]:
    before = data.get(key, _MISSING)

    def restore() -> None:
        if before is _MISSING:
            data.pop(key, None)
        else:
            data[key] = before

    return restore
