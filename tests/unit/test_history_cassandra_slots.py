"""So many requests are under way at once; the others wait in line, and not for ever."""

from __future__ import annotations

import asyncio

import pytest

from connectors.history.cassandra import slots as module
from connectors.history.cassandra.slots import Slots
from streams.domain.errors import Unavailable

SOON = 0.01
LONG = 60.0


async def in_line(slots: Slots, count: int) -> list[asyncio.Task[None]]:
    """So many that wait for a slot already."""
    waiting = [asyncio.create_task(slots.take()) for _ in range(count)]
    await asyncio.sleep(0)
    return waiting


async def all_are_free(slots: Slots, count: int) -> bool:
    """Whether so many are free, and no more."""
    try:
        async with asyncio.timeout(SOON):
            for _ in range(count):
                await slots.take()
    except TimeoutError:
        return False
    return (await in_line(slots, 1))[0].cancel()


async def test_a_slot_is_given_to_the_next_in_line() -> None:
    slots = Slots(in_flight_max=1, seconds_max=LONG)
    await slots.take()
    first, second = await in_line(slots, 2)

    slots.give()
    await first
    assert not second.done()
    slots.give()
    await second


async def test_nobody_waits_longer_than_is_said() -> None:
    slots = Slots(in_flight_max=2, seconds_max=SOON)
    await slots.take()
    await slots.take()
    waiting = await in_line(slots, 3)

    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert {type(answer) for answer in answers} == {Unavailable}
    assert str(answers[0]) == (
        "history: 2 requests to Cassandra are under way, and there was no room for another"
        " within 0.01 s"
    )
    slots.give()
    slots.give()
    assert await all_are_free(slots, 2)


async def test_who_is_cancelled_takes_no_slot_along() -> None:
    slots = Slots(in_flight_max=1, seconds_max=LONG)
    await slots.take()
    first, second, third = await in_line(slots, 3)

    second.cancel()
    slots.give()
    first.cancel()  # the slot is its own already, and it has not run since
    await third

    assert first.cancelled()
    slots.give()
    assert await all_are_free(slots, 1)


async def test_who_gives_up_or_is_cancelled_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 2)
    slots = Slots(in_flight_max=1, seconds_max=SOON)
    await slots.take()

    patient, cancelled = await in_line(slots, 2)
    with pytest.raises(Unavailable, match="2 requests wait already"):
        await slots.take()
    cancelled.cancel()
    await asyncio.wait([patient, cancelled])
    assert isinstance(patient.exception(), Unavailable)

    again = await in_line(slots, 2)
    slots.give()
    await again[0]
