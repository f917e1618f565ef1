"""Compares how far history stored the log with how far its archiver said that it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from streams.ports import History
from streams.topics import HISTORY, QUARANTINE, group_of_topic

GROUP = group_of_topic()[HISTORY.name]


class LogPositions(Protocol):
    """The ends of the log and how far each group has read."""

    def end(self, topic: str, partition: int) -> int: ...
    def earliest(self, topic: str, partition: int) -> int: ...
    def committed(self, group: str, topic: str, partition: int) -> int | None: ...


Look = Callable[[], Awaitable[LogPositions]]
"""Reads where the log stands now."""


class Standing(NamedTuple):
    """Offsets of one partition: how far history and its group are, and what the log holds."""

    topic: str
    partition: int
    stored: int
    committed: int
    earliest: int
    end: int

    @property
    def place(self) -> tuple[str, int]:
        """Topic and partition."""
        return self.topic, self.partition

    @property
    def is_behind(self) -> bool:
        """Whether records were committed that are not in this history."""
        return self.stored < self.committed

    @property
    def is_ahead(self) -> bool:
        """Whether this history has records that the log never had, or has lost."""
        return self.stored > self.end

    @property
    def is_forgotten(self) -> bool:
        """Whether the log does not hold what history has not."""
        return self.stored < self.earliest

    @property
    def is_as_it_must_be(self) -> bool:
        """Whether history and log can be of one installation, with nothing lost between them."""
        return not (self.is_behind or self.is_ahead)

    def __str__(self) -> str:
        where = f"of partition {self.partition} of {self.topic}"
        if self.is_ahead:
            return f"history has {self.stored} records {where}, and the log only {self.end}"
        lacks = f"history lacks records {self.stored} to {self.committed - 1} {where}"
        if self.is_forgotten:
            return f"{lacks}, and the log has none before {self.earliest}"
        return f"{lacks}, which the log still has"


async def standings(
    history: History,
    look: Look,
    partitions: Mapping[str, int],
) -> Sequence[Standing]:
    """Every partition of what history is made from; raises `Unavailable`.

    Both move: what was committed is asked for before history, and where the log ends after it.
    """
    before = await look()
    places = [
        (topic.name, number)
        for topic in (HISTORY, QUARANTINE)
        for number in range(partitions.get(topic.name, 0))
    ]
    stored = {place: (await history.archived_to(*place))[0] for place in places}
    after = await look()
    return [
        Standing(
            *place,
            stored=stored[place],
            committed=before.committed(GROUP, *place) or 0,
            earliest=before.earliest(*place),
            end=after.end(*place),
        )
        for place in places
    ]


def faults_of(found: Sequence[Standing]) -> Iterator[str]:
    """What is not as it must be, in sentences."""
    yield from (str(each) for each in found if not each.is_as_it_must_be)
