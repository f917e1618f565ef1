"""Finds the records that Kafka forgot, by its retention, before a group had read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from faust.types.tuples import TP

OnForgotten = Callable[[str, int], object]
"""Told of a topic, and of how many of its records are missing."""


class Forgotten(NamedTuple):
    """Records of one partition that its group can never read."""

    tp: TP
    group: str
    committed: int | None
    """The first of them, or None when Kafka has no position of the group."""
    oldest: int
    """The offset of the oldest record that is left."""

    @property
    def records(self) -> int:
        """How many there are; without a position, how many there may be."""
        return self.oldest - (self.committed or 0)

    def __str__(self) -> str:
        where = f"partition {self.tp.partition} of {self.tp.topic}"
        if self.committed is None:
            return (
                f"{self.group} has no position in {where}, which has forgotten its first "
                f"{self.records} records: nobody knows how many of them were never read"
            )
        return (
            f"{self.records} records of {where} are lost to {self.group}: Kafka forgot offsets "
            f"{self.committed} to {self.oldest - 1} before they were read"
        )


def find_forgotten(
    group: str, committed: Mapping[TP, int | None], oldest: Mapping[TP, int]
) -> list[Forgotten]:
    """What is missing between the positions of a group and the oldest records that are left.

    A group without a position is no new one where records were forgotten already: all groups
    begin with their topics. It was stopped for so long that Kafka forgot the position as well.
    """
    return [
        Forgotten(tp, group, position, oldest[tp])
        for tp, position in sorted(committed.items())
        if oldest[tp] > (position or 0)
    ]
