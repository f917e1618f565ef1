"""What is queued for the writer, and how whoever queued it learns what became of it."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Row = tuple[int, bytes | None, bytes | None, bytes | None]
"""Partition id, key, value, packed headers."""

Position = tuple[str, int, int]
"""Group, partition id, next offset to read."""

Settled = Callable[["Element", BaseException | None], None]


@dataclass(slots=True, eq=False)
class Element:
    """What becomes durable together or not at all: records, and positions that moved by them."""

    rows: Sequence[Row] = ()
    positions: Sequence[Position] = ()
    size_bytes: int = 0
    loop: AbstractEventLoop | None = None
    settled: Settled | None = None
    offsets: list[int] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)


def size_of(rows: Iterable[Row]) -> int:
    """What rows count for in the limit of the queue."""
    return sum([len(key or b"") + len(value or b"") for _, key, value, _ in rows])


def settle_future(future: asyncio.Future[list[int]]) -> Settled:
    """Bring an element's offsets, or its error, into a future."""

    def settle(element: Element, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(element.offsets)
        else:
            future.set_exception(error)

    return settle


def settle_all(elements: list[Element], error: BaseException | None) -> None:
    """Tell everyone in one go, in the loop's own thread."""
    for element in elements:
        if element.settled is not None:
            element.settled(element, error)
