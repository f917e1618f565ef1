"""How a record gets from the consumer into its agent's queue, on both drivers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import faust
from faust.transport import conductor
from faust.types.tuples import TP, Message

_Pressure = tuple[Callable[[], None], Callable[[], None]]


class Conductor(conductor.Conductor):
    """Faust's, with a short way for what this product has: one agent for a topic, and raw bytes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pressure: dict[TP, _Pressure] = {}

    def hand_out(self, message: Message) -> bool:
        """Put a record into its agent's queue now; false where only Faust's own way will do.

        That may wait: while partitions move, while the queue is full, and for tables' changelogs.
        """
        channels = self._tp_index.get(message.tp, ())
        if len(channels) != 1 or message.topic not in self._acking_topics:
            return False
        (channel,) = channels
        queue: Any = channel.queue
        if (
            channel.key_type is not bytes
            or channel.value_type is not bytes
            or queue.full()
            or self._tp_to_callback_lock.locked()
            or not self.app.flow_control.is_active()
        ):
            return False
        message.incref()
        app: Any = self.app
        # Faust would look for the class of events among its settings, and copy the headers.
        event = faust.Event(app, message.key, message.value, None, message)
        on_high, on_drop = self._pressure_of(message.tp)
        queue.put_nowait_enhanced(event, on_pressure_high=on_high, on_pressure_drop=on_drop)
        return True

    def _pressure_of(self, tp: TP) -> _Pressure:
        """Whom to tell when a queue fills up and when it empties; a queue knows them again."""
        found = self._pressure.get(tp)
        if found is None:
            consumer: Any = self.app.consumer
            full, drop = consumer.on_buffer_full, consumer.on_buffer_drop
            own = TP(*tp)  # aiokafka's is equal, and not what Faust's consumer takes
            found = self._pressure[tp] = partial(full, own), partial(drop, own)
        return found
