"""What both Faust drivers keep back from a commit: everything from an unfinished event on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from faust.types.tuples import TP, Message


@contextmanager
def without_unfinished(acked: list[int], unacked: Iterable[Message], tp: TP) -> Iterator[None]:
    """Within the block `acked` lacks what was acknowledged ahead of a step that still runs.

    Faust's own rule is off by one there, and would commit past that step.
    """
    running = [message.offset for message in unacked if message.tp == tp and not message.acked]
    ahead: list[int] = []
    if running and acked:
        first = min(running)
        ahead = [offset for offset in acked if offset >= first]
        acked[:] = [offset for offset in acked if offset < first]
    try:
        yield
    finally:
        acked += ahead
