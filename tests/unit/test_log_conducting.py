"""A record goes into its agent's queue at once where nothing can be in the way, and else not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import faust
import pytest
from faust.types.tuples import TP, ConsumerMessage

from connectors.log.conducting import Conductor
from connectors.log.transport import register

NOTICES = TP("notices", 0)
BUFFERED_MAX = 4


class World:
    """An app whose one agent reads `notices`, with its flow open."""

    def __init__(self, path: Path) -> None:
        register()
        options: dict[str, Any] = {"broker": f"sqlitelog://{path}", "web_enabled": False}
        app: Any = faust.App("conducting", stream_buffer_maxsize=BUFFERED_MAX, **options)
        self.app = app
        self.conductor = cast("Conductor", app.topics)
        self.channel = app.topic("notices", key_type=bytes, value_type=bytes)
        self.told: list[str] = []
        app.consumer.on_buffer_full = lambda _tp: self.told.append("full")
        app.consumer.on_buffer_drop = lambda _tp: self.told.append("drop")
        self.conductor._tp_index[NOTICES].add(self.channel)  # noqa: SLF001  # by an assignment
        self.conductor._acking_topics.add("notices")  # noqa: SLF001  # the same
        app.flow_control.resume()

    def hand_out(self, offset: int = 0) -> bool:
        return self.conductor.hand_out(a_message(offset))


def a_message(offset: int) -> ConsumerMessage:
    return ConsumerMessage(
        "notices", 0, offset, 1.5, 1, [("x", b"y")], b"k", b"v", None, tp=NOTICES, generation_id=1
    )


@pytest.fixture
async def world(tmp_path: Path) -> World:
    return World(tmp_path / "log.db")


async def test_a_record_becomes_an_event_that_waits_for_its_agent(world: World) -> None:
    assert world.hand_out(7)

    event = world.channel.queue.get_nowait()
    assert (event.key, event.value, event.message.offset) == (b"k", b"v", 7)
    assert event.message.refcount == 1


async def test_nothing_goes_the_short_way_while_partitions_move(world: World) -> None:
    world.app.flow_control.suspend()

    assert not world.hand_out()
    assert world.channel.queue.empty()


async def test_nothing_goes_the_short_way_while_the_tables_of_queues_change(world: World) -> None:
    async with world.conductor._tp_to_callback_lock:  # noqa: SLF001  # Faust holds it
        assert not world.hand_out()


async def test_a_queue_that_fills_up_says_so_once_and_once_it_is_empty_again(world: World) -> None:
    taken = [world.hand_out(offset) for offset in range(BUFFERED_MAX + 1)]

    assert taken == [True] * BUFFERED_MAX + [False]
    assert world.told == ["full"]
    while not world.channel.queue.empty():
        world.channel.queue.get_nowait()
    assert world.told == ["full", "drop"]


async def test_what_must_be_decoded_or_has_several_readers_goes_by_faust(world: World) -> None:
    other = world.app.topic("notices", key_type=bytes, value_type=bytes)
    text = world.app.topic("notices", key_type=bytes, value_type=str)
    index = world.conductor._tp_index  # noqa: SLF001  # as Faust fills it

    for channels in ({world.channel, other}, {text}, set()):
        index[NOTICES] = channels
        assert not world.hand_out()


async def test_changelogs_are_not_acknowledged_and_go_by_faust(world: World) -> None:
    world.conductor._acking_topics.clear()  # noqa: SLF001  # as without `acks`

    assert not world.hand_out()
