"""What this process has just committed: records that its consumer need not read from the file."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence

from connectors.log.elements import Element
from connectors.log.reader import Stored

ELEMENTS_MAX = 1_024
BYTES_MAX = 8 * 1024 * 1024
"""A consumer that does not look for a while reads what is beyond these from the file."""


class Heard:
    """Elements from the writer's thread to the event loop's; what is too much is known as missed.

    A look into the file costs a consumer more than the commit of a record: all ends, then a query
    for each partition. Most of what a worker reads its own steps have said a moment ago.
    """

    def __init__(self) -> None:
        self._elements: deque[Element] = deque()
        # Each is counted by one thread alone.
        self._added_bytes = self._taken_bytes = 0
        self._has_missed = False

    def add(self, batch: Sequence[Element]) -> None:
        """In the writer's thread, after a commit."""
        waiting = self._added_bytes - self._taken_bytes
        if len(self._elements) >= ELEMENTS_MAX or waiting >= BYTES_MAX:
            self._has_missed = True
            return
        for element in batch:
            if element.rows:
                self._added_bytes += element.size_bytes
                self._elements.append(element)

    def take(self) -> list[Element] | None:
        """What came since the last time, in order; None when that is not all that came."""
        has_missed, self._has_missed = self._has_missed, False
        taken = [self._elements.popleft() for _ in range(len(self._elements))]
        self._taken_bytes += sum(element.size_bytes for element in taken)
        return None if has_missed else taken


def by_partition(elements: Sequence[Element], wanted: Container[int]) -> dict[int, list[Stored]]:
    """The records of some partitions, as the file would give them."""
    found: dict[int, list[Stored]] = {}
    for element in elements:
        places = zip(element.rows, element.offsets, element.timestamps_ms, strict=True)
        for (partition_id, key, value, headers), offset, timestamp_ms in places:
            if partition_id in wanted:
                stored = Stored(offset, timestamp_ms, key, value, headers)
                found.setdefault(partition_id, []).append(stored)
    return found


def in_line(records: Sequence[Stored], next_offset: int) -> Sequence[Stored] | None:
    """Those from an offset on; None when another process has written before or between them."""
    if records[0].offset < next_offset:
        records = [record for record in records if record.offset >= next_offset]
    if not records:
        return ()
    is_whole = records[-1].offset - next_offset == len(records) - 1
    return records if is_whole else None
