"""Takes events that wait for an agent already, one after the other in the same turn of the loop."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from faust.types import EventT, StreamT


class Taking:
    """What an agent's stream has in its queue, without Faust's two awaits and a turn for each.

    Events are taken, tracked and acknowledged as Faust's own iteration does; one that came before
    partitions moved is passed over in the same way, and not acknowledged.
    """

    def __init__(self, stream: StreamT[bytes]) -> None:
        own: Any = stream  # the types of Faust know no queue of a channel
        self._stream, self._app, self._queue = own, own.app, own.channel.queue

    def next(self) -> EventT[bytes] | None:
        """The next event that waits, which is now the stream's current one; None without one."""
        app, queue = self._app, self._queue
        while not queue.empty():
            event: EventT[bytes] = queue.get_nowait()
            message = event.message
            if (
                message.generation_id != app.consumer_generation_id
                or not app.flow_control.is_active()
            ):
                continue
            if not message.tracked and app.topics.acks_enabled_for(message.topic):
                message.tracked = True
                app.consumer.track_message(message)
            self._stream._set_current_event(event)  # stores ask for it
            return event
        return None

    @property
    def waiting(self) -> int:
        """How many wait; of some of them partitions may have moved."""
        return int(self._queue.qsize())

    def some(self, limit: int, *, bytes_max: int) -> Iterator[EventT[bytes]]:
        """Up to so many of those that wait; the one with which they have so many bytes is last."""
        size = 0
        for event in islice(iter(self.next, None), limit):
            yield event
            size += len(event.message.value or b"")
            if size >= bytes_max:
                return

    def give_back(self, first: EventT[bytes]) -> None:
        """The event of Faust's own iteration is the current one again: it acknowledges that one."""
        self._stream.current_event = first
