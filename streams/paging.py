"""Reads one partition of the log from a place to its end, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

from streams.ports import Fetched, Tail

PAGE_MAX = 1_000


async def records_until(
    tail: Tail, topic: str, partition: int, *, first: int, end: int
) -> AsyncIterator[Fetched]:
    """The records from `first` to the offset `end`, and what the last page has behind it.

    What compaction or retention took is passed over. Raises `Unavailable`.
    """
    while first < end:
        page = await tail.fetch(topic, partition, first, PAGE_MAX)
        if not page:  # the last ones were taken
            return
        for each in page:
            yield each
        first = page[-1].place.offset + 1
