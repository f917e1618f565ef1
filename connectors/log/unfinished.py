"""What both Faust drivers do about events that are not finished: at a commit, and at the end."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from faust.transport.consumer import Consumer
from faust.types.tuples import TP, Message

from streams.clock import monotonic_seconds

FINISH_SECONDS_MAX = 3.0
"""How long writing history may hold up the end, or a rebalance: all of its group wait meanwhile."""

logger = logging.getLogger("keshikomi")


class Unfinished(Exception):
    """What is under way has not ended within `FINISH_SECONDS_MAX`."""


class EndsInTime(Consumer):
    """A consumer whose end does not wait for history that cannot be written."""

    _finish_by = 0.0

    @abstractmethod
    def _by_units(self, topic: str) -> bool:
        """Whether the steps of this topic have outputs."""

    async def wait_empty(self) -> None:
        """End the steps under way and commit them; give up what cannot end for now.

        That is history which cannot be written. Its writes are idempotent, so its records are
        just read again, here or by whoever has them then. A step with outputs is never given up:
        they would come when another worker has the partition.
        """
        self._finish_by = monotonic_seconds() + FINISH_SECONDS_MAX
        try:
            await super().wait_empty()
        except Unfinished:
            self._give_up(tuple(self._unacked_messages))

    async def _wait_for_ack(self, timeout: float) -> None:  # Faust's own signature
        is_late = monotonic_seconds() > self._finish_by
        if is_late and not any(self._by_units(each.topic) for each in self._unacked_messages):
            raise Unfinished
        await super()._wait_for_ack(timeout)

    def _give_up(self, messages: Collection[Message]) -> None:
        for message in messages:
            # Faust acknowledges also what it cancels; of these it says nothing any more.
            message.acked = True
        self._unacked_messages.clear()
        logger.warning("%d records under way could not end; they are read again", len(messages))


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
