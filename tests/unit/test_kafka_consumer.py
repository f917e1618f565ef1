"""What the Kafka consumer hands out, what it refuses to, and what it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import faust
import pytest
from aiokafka.errors import ConsumerStoppedError  # type: ignore[import-untyped]  # no types
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, ConsumerMessage

from connectors.kafka.connection import DRIVER_SCHEME
from connectors.kafka.consumer import RECORDS_PER_TURN, Consumer
from connectors.kafka.transport import register
from connectors.log import unfinished

WORK = TP("work", 0)
CHANGES = TP("changes", 0)
QUEUE_MAX = 2
TURNS = 10
WAIT_SECONDS_MAX = 1.0

Answer = list[ConsumerMessage] | BaseException


class Records(Consumer):
    """What the broker answers is told by the test."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        super().__init__(*args, **kwargs)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  # Faust's own signature
        answer = await self.answers.get()
        if isinstance(answer, BaseException):
            raise answer
        for message in answer:
            yield message.tp, message


class Fetcher:
    """What Faust stops when no more records are wanted."""

    should_stop = False


class World:
    """A consumer of one topic with work, and all that comes of it."""

    def __init__(self) -> None:
        register()
        broker = f"{DRIVER_SCHEME}://127.0.0.1:1"
        options: Any = {"broker": broker, "stream_buffer_maxsize": QUEUE_MAX}
        self.app: Any = cast("Any", faust.App("consumed", **options))
        self.stopped: list[BaseException] = []
        self.handed_out: list[int] = []
        self.app.on_log_failure = self.stopped.append
        self.topic = self.app.topic(WORK.topic, value_type=bytes)
        self.app.topics.add(self.topic)
        self.app.topics._acking_topics.add(WORK.topic)  # noqa: SLF001  # as its subscription does
        self.app.flow_control.resume()
        self.consumer = Records(
            self.app.transport,
            callback=self.hand_out,
            on_partitions_revoked=None,
            on_partitions_assigned=None,
        )
        self.app.consumer = self.consumer
        self.may_hand_out = asyncio.Event()
        self.may_hand_out.set()

    async def hand_out(self, message: Any) -> None:
        await self.may_hand_out.wait()
        self.handed_out.append(message.offset)

    async def read(self, *offsets: int, tp: TP = WORK) -> None:
        for each in (a_message(offset, tp) for offset in offsets):
            await self.consumer._hand_out(tp, each)  # noqa: SLF001  # no broker

    def answer(self, answer: Iterable[int] | BaseException) -> None:
        """What the broker has next."""
        has = answer if isinstance(answer, BaseException) else [a_message(n) for n in answer]
        self.consumer.answers.put_nowait(has)

    def drain(self) -> tuple[asyncio.Task[None], Fetcher]:
        """Let it read."""
        fetcher = Fetcher()
        draining = self.consumer._drain_messages(fetcher)  # noqa: SLF001  # Faust's fetcher calls it
        return asyncio.ensure_future(draining), fetcher

    def close(self) -> None:
        self.consumer._stopped.set()  # noqa: SLF001  # ends a wait that would outlive a failed test
        self.consumer._thread.thread_loop.close()  # noqa: SLF001  # its thread never ran, and would

    def track(self, offset: int) -> ConsumerMessage:
        """A record whose step is under way."""
        message = a_message(offset)
        message.incref()
        self.consumer.track_message(message)
        return message


def a_message(offset: int, tp: TP = WORK) -> ConsumerMessage:
    return ConsumerMessage(tp.topic, tp.partition, offset, 0.0, 0, [], b"k", b"v", None, tp=tp)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    made.close()


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


# --- one record


async def test_records_are_handed_out_in_order_and_each_once(world: World) -> None:
    await world.read(0, 1, 1, 2, 3)

    assert world.handed_out == [0, 1, 1, 2, 3]  # the last one again: a seek may have come between
    assert world.stopped == []


@pytest.mark.parametrize(
    ("begin", "offsets", "left_out"),
    [(0, [0, 1, 5], "2 to 4"), (0, [0, 2], "1 to 1"), (0, [3], "0 to 2"), (7, [9], "7 to 8")],
    ids=["later", "of one", "from the first", "from where it went to"],
)
async def test_a_gap_in_what_is_read_for_work_stops_the_process(
    world: World, begin: int, offsets: list[int], left_out: str
) -> None:
    world.consumer._first[WORK] = begin  # noqa: SLF001  # as a seek does

    await world.read(*offsets)

    (error,) = world.stopped
    assert str(error) == f"offsets {left_out} of {WORK} were left out"


async def test_a_gap_in_a_changelog_is_what_compaction_leaves(world: World) -> None:
    await world.read(3, 9, tp=CHANGES)

    assert (world.handed_out, world.stopped) == ([3, 9], [])


async def test_there_is_room_until_a_queue_is_full_or_records_are_held_back(world: World) -> None:
    has_room = world.consumer._has_room  # noqa: SLF001  # what handing out asks
    assert has_room()
    world.app.flow_control.suspend()
    assert not has_room()
    world.app.flow_control.resume()
    for offset in range(QUEUE_MAX):
        world.topic.queue.put_nowait(a_message(offset))
    assert not has_room()


async def test_what_waits_before_a_full_queue_is_given_up_when_partitions_move(
    world: World,
) -> None:
    for offset in range(QUEUE_MAX):
        world.topic.queue.put_nowait(a_message(offset))
    world.may_hand_out.clear()
    reading = asyncio.ensure_future(world.read(0))
    await turns()
    assert not reading.done()

    world.consumer.stop_flow()

    await asyncio.wait_for(reading, WAIT_SECONDS_MAX)
    assert world.handed_out == []


# --- all of them


async def test_records_are_handed_out_until_it_is_asked_to_stop(world: World) -> None:
    for answer in ([0, 1], [], [2]):
        world.answer(answer)
    draining, fetcher = world.drain()
    await turns()
    assert world.handed_out == [0, 1, 2]
    assert not draining.done()

    fetcher.should_stop = True
    for answer in ([3], [4]):
        world.answer(answer)

    await asyncio.wait_for(draining, WAIT_SECONDS_MAX)
    assert world.handed_out == [0, 1, 2, 3]


async def test_others_have_their_turn_within_one_large_answer(world: World) -> None:
    world.answer(range(2 * RECORDS_PER_TURN))
    draining, _ = world.drain()
    seen = []
    while len(world.handed_out) < 2 * RECORDS_PER_TURN:
        await asyncio.sleep(0)
        seen.append(len(world.handed_out))

    assert RECORDS_PER_TURN in seen
    draining.cancel()


@pytest.mark.parametrize("end", [asyncio.CancelledError, ConsumerStoppedError])
@pytest.mark.parametrize("is_stopping", [True, False], ids=["stopping", "running"])
async def test_the_end_of_the_client_is_no_error_while_the_app_stops(
    world: World, end: type[BaseException], *, is_stopping: bool
) -> None:
    if is_stopping:
        world.app._stopped.set()  # noqa: SLF001  # as `stop` does first
    world.answer(end())
    draining, _ = world.drain()

    (result,) = await asyncio.gather(draining, return_exceptions=True)

    assert type(result) is (type(None) if is_stopping else end)


async def test_nothing_is_fetched_when_no_partition_is_left_to_ask_for(world: World) -> None:
    """An empty set means all to the client, and it would throw away what it returns."""
    consumer, active = world.consumer, {WORK}
    async with consumer._fetching:  # noqa: SLF001  # a seek is under way
        fetching = asyncio.ensure_future(consumer._getmany(active, 0))  # noqa: SLF001  # no broker
        await turns()
        active.clear()

    assert await fetching == {}


async def test_the_client_is_given_partitions_that_do_not_change_under_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = {WORK}

    async def fetch(consumer: Any, wanted: set[TP], seconds: float) -> dict[TP, Any]:
        active.clear()  # partitions are paused while the client fetches
        assert wanted == {WORK}
        return {}

    monkeypatch.setattr(driver.Consumer, "_getmany", fetch)

    await world.consumer._getmany(active, 0)  # noqa: SLF001  # as above

    assert not active


# --- what is under way


async def test_what_does_not_end_in_time_is_given_up_and_never_committed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "FINISH_SECONDS_MAX", 0)
    late = world.track(5)

    ending = asyncio.ensure_future(world.consumer.wait_empty())
    await asyncio.wait([ending], timeout=WAIT_SECONDS_MAX)

    assert ending.done()
    assert not world.consumer.unacked
    late.ack(world.consumer)  # Faust acknowledges also what it cancels
    assert world.consumer._acked[WORK] == []  # noqa: SLF001  # of what a commit is made


async def test_a_step_with_outputs_is_waited_for_however_long_it_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "FINISH_SECONDS_MAX", 0)
    monkeypatch.setattr(world.consumer, "_unit_topics", frozenset({WORK.topic}))
    step = world.track(5)
    ending = asyncio.ensure_future(world.consumer.wait_empty())
    await turns()
    assert not ending.done()

    step.ack(world.consumer)

    await asyncio.wait([ending], timeout=WAIT_SECONDS_MAX)
    assert world.consumer._acked[WORK] == [5]  # noqa: SLF001  # as above


async def test_a_commit_without_an_end_ends_the_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waits_for_ever(*_: object) -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_commit", waits_for_ever)
    monkeypatch.setattr("connectors.kafka.consumer.COMMIT_SECONDS_MAX", 0.01)

    assert await world.consumer._thread._commit({}) is False  # noqa: SLF001  # no broker
    assert [str(error) for error in world.stopped] == ["a commit had no answer within 0.01 s"]
