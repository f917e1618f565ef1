"""Nothing is said to stand still because a figure that is not collected does."""

from __future__ import annotations

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP

from tests.unit.test_kafka_consumer import WORK, World


async def test_nothing_is_said_to_stand_still_by_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    guessed: list[TP] = []
    world = World()
    thread = driver.AIOKafkaConsumerThread
    monkeypatch.setattr(thread, "verify_event_path", lambda _, __, tp: guessed.append(tp))
    monkeypatch.setattr(world.consumer, "assignment", lambda: {WORK})

    await world.consumer.verify_all_partitions_active()

    assert guessed == []
    world.consumer._thread.thread_loop.close()  # noqa: SLF001  # its thread, which never ran, would
