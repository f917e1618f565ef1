"""One step's effects as one atomic element: its outputs, its table writes and its position."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from faust.types.tuples import TP, FutureMessage, Message

from connectors.log.elements import Row
from connectors.log.limits import must_fit
from streams.ports import Record

if TYPE_CHECKING:
    from connectors.log.producer import Producer


class Written(Protocol):
    """A row that a table wrote, until its record is durable."""

    def settle(self) -> None: ...
    def undo(self) -> None: ...


class Change(NamedTuple):
    """A record among an element's rows, the row it wrote, and Faust's future if it has one."""

    place: int
    future: FutureMessage | None
    written: Written | None


class Unit:
    """Everything sent while it is open becomes durable together with the step's position.

    Nothing may be awaited inside, so that no other step's writes can get in. When the block is
    left by an exception nothing is queued and the table writes are taken back.
    """

    __slots__ = ("_producer", "changes", "message", "rows", "undo")

    def __init__(self, producer: Producer, message: Message) -> None:
        self._producer = producer
        self.message = message
        self.rows: list[Row] = []
        self.changes: list[Change] = []
        self.undo: list[Callable[[], None]] = []

    def send(self, record: Record) -> None:
        """Append a record when, and only when, the whole unit becomes durable.

        Raises `OverLimit` for one that is more than the log takes.
        """
        must_fit((record,))
        self.rows.append(self._producer.row_of(record))

    def change(self, row: Row, future: FutureMessage, written: Written | None) -> None:
        """A record that Faust sends without waiting: a table write of this step, as a rule."""
        self.changes.append(Change(len(self.rows), future, written))
        self.rows.append(row)
        if written is not None:
            self.undo.append(written.undo)

    def write(self, row: Row, written: Written) -> None:
        """A table's row, written by its own store."""
        self.changes.append(Change(len(self.rows), None, written))
        self.rows.append(row)
        self.undo.append(written.undo)

    def __enter__(self) -> Self:
        self._producer.open_unit(self)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error_type is None:
            self._producer.queue_unit(self)
        else:
            self._producer.drop_unit(self)


class UnitOrder:
    """Refuses to step over a unit that failed: its event would be lost without a trace."""

    def __init__(self, topics: Iterable[str] = ()) -> None:
        self.topics = set(topics)
        self._failed: dict[TP, int] = {}

    def check(self, message: Message) -> None:
        """Raise when an earlier event of the partition has no durable outcome yet."""
        self.topics.add(message.topic)
        failed = self._failed.get(message.tp)
        if failed is not None and message.offset > failed:
            text = (
                f"the unit for offset {failed} of {message.tp} failed; "
                f"offset {message.offset} would move the position past it"
            )
            raise RuntimeError(text)

    def failed(self, message: Message) -> None:
        """Remember an event whose unit was left by an exception."""
        self._failed[message.tp] = message.offset

    def done(self, message: Message) -> None:
        """Forget it once a unit for the same event was queued."""
        if self._failed:
            self._failed.pop(message.tp, None)

    def forget(self) -> None:
        """Everything is read again from the durable positions."""
        self._failed.clear()
