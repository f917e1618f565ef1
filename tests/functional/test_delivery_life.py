"""Endpoints are disabled, changed and removed; the lanes stop, or stop the process."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from streams.domain.delivery import Attempt, EndpointStatus
from streams.domain.ids import DeliveryId, EndpointId
from streams.domain.signing import SigningKey
from streams.messages import AttemptMade
from tests.functional.test_delivery_world import (
    SECONDS_MAX,
    START,
    a_delivery,
    a_world,
    an_endpoint,
    prove,
)


async def test_a_disabled_endpoint_collects_and_goes_on_when_it_is_enabled() -> None:
    world = await a_world("a")
    world.lanes.set_endpoint(an_endpoint("a", status=EndpointStatus.DISABLED))

    world.lanes.offer(a_delivery("a", 1))
    world.lanes.offer(a_delivery("a", 2, after_seconds=5, attempts=1))
    world.time.advance(10)
    world.lanes.offer(a_delivery("a", 3))
    await world.settle()
    assert world.all_sent == []
    assert world.lanes.waiting == 3
    world.lanes.set_endpoint(an_endpoint("a"))
    await world.settle()
    await world.end("a/1")
    await world.end("a/3")

    assert world.all_sent == ["a/1", "a/3", "a/2"]


async def test_a_changed_url_and_secret_hold_from_the_next_attempt_on() -> None:
    world = await a_world("a")
    world.lanes.offer(a_delivery("a", 1))
    world.lanes.offer(a_delivery("a", 2))
    await world.settle()
    await world.end("a/1", status=None)
    moved = replace(an_endpoint("a"), url="https://moved.example.com/", sealed_secret="new")
    world.lanes.set_endpoint(moved)
    await world.end("a/2")
    world.lanes.offer(a_delivery("a", 3))
    await world.settle()

    assert world.sent[-1].target.url == "https://moved.example.com/"
    assert world.sent[-1].target.keys == [SigningKey(b"open new")]


async def test_a_new_url_is_another_server_which_has_to_prove_itself() -> None:
    world = await a_world("a")
    await prove(world, "a")
    world.lanes.set_endpoint(replace(an_endpoint("a"), url="https://moved.example.com/"))

    for number in range(1, 5):
        world.lanes.offer(a_delivery("a", number))
    await world.settle()

    assert len(world.under_way) == 1


async def test_a_removed_endpoint_is_forgotten_with_all_that_waits() -> None:
    world = await a_world("a", "b")
    for number in (1, 2):
        world.lanes.offer(a_delivery("a", number))
    world.lanes.offer(a_delivery("a", 3, after_seconds=5))
    world.lanes.offer(a_delivery("b", 4, after_seconds=5))
    await world.settle()

    world.lanes.remove_endpoint(EndpointId("a"))
    world.lanes.remove_endpoint(EndpointId("a"))
    world.time.advance(10)
    await world.settle()
    await world.end("a/1")
    await world.end("b/4")

    assert world.all_sent == ["a/1", "b/4"]
    assert world.lanes.waiting == 1  # b/4, which is not decided yet


async def test_an_endpoint_removed_at_the_moment_of_sending_breaks_nothing() -> None:
    world = await a_world("a")

    world.lanes.offer(a_delivery("a", 1))
    world.lanes.remove_endpoint(EndpointId("a"))
    await world.settle()
    await world.end("a/1")

    assert world.stops == []
    assert world.lanes.waiting == 0


async def test_an_attempt_that_nobody_here_cancelled_stops_the_process() -> None:
    world = await a_world("a")
    world.lanes.offer(a_delivery("a", 1))
    await world.settle()

    world.sent[0].ending.cancel()  # as a library does now and then

    await world.until(lambda: bool(world.stops))
    assert "cancelled" in world.stops[0]


async def test_a_result_that_cannot_be_recorded_stops_the_process_and_the_lanes() -> None:
    world = await a_world("a", "b")

    async def publish(message: AttemptMade) -> None:
        raise OSError("disk full")

    world.publishing = publish
    world.lanes.offer(a_delivery("a", 1))
    await world.settle()
    world.sent[0].ending.set_result(Attempt(number=1, at=START, duration_ms=1, status_code=200))
    await world.until(lambda: bool(world.stops))
    world.lanes.offer(a_delivery("b", 2))
    await world.settle()

    assert "disk full" in world.stops[0]
    assert world.all_sent == ["a/1"]


async def test_a_log_that_takes_nothing_holds_further_attempts_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.flights.PUBLISHING_MAX", 1)
    world = await a_world("a", "b")
    appended = asyncio.Event()

    async def publish(message: AttemptMade) -> None:
        await appended.wait()

    world.publishing = publish
    world.lanes.offer(a_delivery("a", 1))
    await world.settle()
    world.sent[0].ending.set_result(Attempt(number=1, at=START, duration_ms=1, status_code=200))
    await world.settle()
    world.lanes.offer(a_delivery("b", 2))
    await world.settle()
    assert world.all_sent == ["a/1"]
    appended.set()
    await world.until(lambda: len(world.sent) == 2)


@pytest.mark.parametrize("status", [200, 503])
async def test_results_that_nobody_has_decided_on_yet_hold_further_attempts_back(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.flights.AWAITING_MAX", 1)
    world = await a_world("a", "b")
    world.lanes.offer(a_delivery("a", 1))
    await world.settle()
    await world.end("a/1", status=status)
    world.lanes.offer(a_delivery("b", 2))
    await world.settle()
    assert world.all_sent == ["a/1"]

    if status == 200:
        world.lanes.withdraw(DeliveryId("a/1"))
    else:
        world.lanes.offer(a_delivery("a", 1, after_seconds=5, attempts=1))
    await world.settle()

    assert world.all_sent == ["a/1", "b/2"]


@pytest.mark.parametrize("asked", ["resend", "withdraw"])
async def test_what_was_asked_for_during_an_attempt_waits_for_no_decision(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.flights.AWAITING_MAX", 1)
    world = await a_world("a", "b")
    world.lanes.offer(a_delivery("a", 1))
    await world.settle()
    if asked == "resend":
        world.lanes.offer(replace(a_delivery("a", 1), round=1))
    else:
        world.lanes.withdraw(DeliveryId("a/1"))
    await world.end("a/1")
    world.lanes.offer(a_delivery("b", 2))
    await world.settle()

    assert world.all_sent == ["a/1", *(["a/1"] if asked == "resend" else []), "b/2"]


async def test_merchants_that_went_to_another_worker_are_forgotten_and_their_attempts_told() -> (
    None
):
    world = await a_world("a", "b")
    for number in (1, 2):
        world.lanes.offer(a_delivery("a", number))
    world.lanes.offer(a_delivery("a", 3, after_seconds=5))
    await world.settle()

    world.lanes.pause()
    world.lanes.keep(lambda merchant_id: merchant_id != "mer_1")
    await world.lanes.start()
    await world.end("a/1")
    world.time.advance(10)
    await world.settle()

    assert (world.all_sent, len(world.published)) == (["a/1"], 1)
    assert world.lanes.waiting == 0


async def test_what_is_under_way_when_a_merchant_comes_back_is_not_sent_beside() -> None:
    world = await a_world("a")
    world.lanes.offer(a_delivery("a", 1))
    await world.settle()

    world.lanes.keep(lambda _merchant_id: False)
    world.lanes.set_endpoint(an_endpoint("a"))
    world.lanes.offer(a_delivery("a", 1))
    await world.settle()
    assert world.under_way == ["a/1"]
    await world.end("a/1", status=500)
    world.lanes.offer(a_delivery("a", 1, attempts=1))
    await world.settle()

    assert [each.number for each in world.sent] == [1, 2]


async def test_while_paused_nothing_begins_and_what_is_kept_goes_on_afterwards() -> None:
    world = await a_world("a")
    world.lanes.pause()
    world.lanes.offer(a_delivery("a", 1))
    world.lanes.offer(a_delivery("a", 2, after_seconds=5, attempts=1))
    world.time.advance(10)
    await world.settle()
    assert world.all_sent == []

    world.lanes.keep(lambda merchant_id: merchant_id == "mer_1")
    await world.lanes.start()
    await world.settle()
    await world.end("a/1")

    assert world.all_sent == ["a/1", "a/2"]


async def test_stopping_waits_for_what_is_under_way_and_begins_nothing() -> None:
    world = await a_world("a")
    world.lanes.offer(a_delivery("a", 1))
    world.lanes.offer(a_delivery("a", 2))
    await world.settle()

    stopping = asyncio.create_task(world.lanes.stop())
    await world.settle()
    assert not stopping.done()
    await world.end("a/1")
    await asyncio.wait_for(stopping, SECONDS_MAX)

    assert world.all_sent == ["a/1"]
    assert len(world.published) == 1
    assert world.time.timers == []


async def test_stopping_cancels_what_does_not_end_in_time_and_records_nothing_of_it() -> None:
    world = await a_world("a")
    world.lanes.offer(a_delivery("a", 1))
    await world.settle()

    await asyncio.wait_for(world.lanes.stop(seconds_max=0.01), SECONDS_MAX)

    assert world.sent[0].ending.cancelled()
    assert world.published == []
    assert world.stops == []
