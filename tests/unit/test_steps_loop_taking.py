"""The one loop takes what waits in its stream's queue in the same turn, as Faust would take it."""

from __future__ import annotations

from typing import cast

import pytest
from faust.types import StreamT

from agents.step import Envelope, Result
from tests.loop_fakes import Driven, FakeApp, FakeMessage, FakeStream, saying


async def test_what_waits_is_taken_in_order_tracked_and_acknowledged_after_its_unit() -> None:
    waiting = FakeMessage(b"two", offset=8), FakeMessage(b"three", offset=9)
    stream = FakeStream((FakeMessage(b"one"),), waiting)
    acked_before: list[list[bool]] = []

    def step(_envelope: Envelope) -> Result:
        acked_before.append([event.is_acked for event in stream.events])
        return Result()

    driven = Driven(step)
    await driven.agent()(cast("StreamT[bytes]", stream))

    assert [unit.message.value for unit in driven.units.queued] == [b"one", b"two", b"three"]
    assert acked_before == [[False, False], [False, False], [True, False]]
    assert stream.app.tracked == list(waiting)
    assert all(event.is_acked for event in stream.events)
    (after,) = stream.seen_after  # it is this one that Faust acknowledges next
    assert after is not None
    assert (after.message.value, after.is_acked) == (b"one", False)


@pytest.mark.parametrize(
    ("generation", "app"), [(0, FakeApp()), (1, FakeApp(is_active=False))], ids=["old", "moving"]
)
async def test_what_came_before_partitions_moved_is_passed_over(
    generation: int, app: FakeApp
) -> None:
    old = FakeMessage(b"old", offset=8, generation_id=generation)
    stream = FakeStream((FakeMessage(b"one"),), (old,), app)
    driven = Driven(saying())

    await driven.agent()(cast("StreamT[bytes]", stream))

    assert [unit.message.value for unit in driven.units.queued] == [b"one"]
    assert not stream.events[0].is_acked
    assert stream.app.tracked == []


async def test_a_step_that_fails_leaves_what_waits_behind_it() -> None:
    waiting = FakeMessage(b"bad", offset=8), FakeMessage(b"three", offset=9)
    stream = FakeStream((FakeMessage(b"one"),), waiting)

    def step(envelope: Envelope) -> Result:
        return Result() if envelope.value == b"one" else 1 / 0  # type: ignore[return-value]  # it raises

    driven = Driven(step)
    with pytest.raises(ZeroDivisionError):
        await driven.agent()(cast("StreamT[bytes]", stream))

    assert [unit.message.value for unit in driven.units.queued] == [b"one"]
    assert [event.is_acked for event in stream.events] == [False, False]
    assert len(driven.stops) == 1
