"""Finds partitions that lost their end, which a group had read: a broker that did not sync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from faust.types.tuples import TP


class Cut(NamedTuple):
    """A partition that does not reach as far as its group had read, or begins anew."""

    tp: TP
    group: str
    read: int
    """The offset behind the last record that the group had read."""
    oldest: int
    """The offset of the oldest record that is left."""

    def __str__(self) -> str:
        return (
            f"Kafka has lost the end of partition {self.tp.partition} of {self.tp.topic}: "
            f"{self.group} had read it up to offset {self.read - 1}, and what it has there now, if "
            f"anything, is new. All that is left is read again, from offset {self.oldest} on, and "
            "repeats change nothing; what was lost only the channels can send again "
            '(docs/operate.md, "What a power cut takes")'
        )


def find_cut(
    group: str,
    committed: Mapping[TP, int | None],
    oldest: Mapping[TP, int],
    ends: Mapping[TP, int],
) -> list[Cut]:
    """Where the positions of a group are behind the end, for which was asked after them.

    Where a partition was cut, and new records begin, nobody knows: so all that is left is read.
    """
    return [
        Cut(tp, group, position, oldest[tp])
        for tp, position in sorted(committed.items())
        if position is not None and position > ends[tp]
    ]
