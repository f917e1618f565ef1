"""A worker writes nothing once its group has not answered for a session, until it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka.consumer.group_coordinator import (  # type: ignore[import-untyped]  # no types
    GroupCoordinator,
)
from aiokafka.errors import (  # type: ignore[import-untyped]  # no types
    GroupCoordinatorNotAvailableError,
    IllegalGenerationError,
    KafkaError,
    NoError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.producer.sender import (  # type: ignore[import-untyped]  # no types
    SendProduceReqHandler,
)
from aiokafka.protocol.group import (  # type: ignore[import-untyped]  # no types
    HeartbeatRequest,
    JoinGroupRequest,
    SyncGroupRequest,
)
from aiokafka.protocol.produce import ProduceRequest  # type: ignore[import-untyped]  # no types
from faust.transport.drivers import aiokafka as driver

from connectors.kafka.connection import DRIVER_SCHEME
from connectors.kafka.consumer import Consumer
from connectors.kafka.heartbeats import HELD_SECONDS_MAX, MARGIN_SECONDS, Heartbeats
from connectors.kafka.transport import register

SESSION_SECONDS = 6.0
ANSWER_SECONDS = 2.0
HELD_SECONDS = 0.1
"""Long enough to see what is held back look again."""
WAIT_SECONDS_MAX = 5.0
BEAT = HeartbeatRequest("group", 1, "member")
JOIN = JoinGroupRequest("group", 6000, 6000, "member", None, "consumer", [])
SYNC = SyncGroupRequest("group", 1, "member", None, [])
ANSWER = SimpleNamespace(topics=[])
WRITE = ProduceRequest(required_acks=-1, timeout=1, topics=[], transactional_id=None)


class Group:
    """A group's coordinator that answers late; the clock is the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.sent: list[object] = []
        self.is_connected = True
        self.stopped: list[BaseException] = []
        self.answer: type[KafkaError] = NoError
        self.answer_seconds = ANSWER_SECONDS
        monkeypatch.setattr("connectors.kafka.heartbeats.monotonic_seconds", lambda: self.now)
        conf = SimpleNamespace(id="group", broker_session_timeout=SESSION_SECONDS)
        self.heartbeats = Heartbeats(conf, self.stopped.append)
        self.coordinator = SimpleNamespace(_send_req=self.answered)
        self.heartbeats.listen(self.coordinator)
        self.client = SimpleNamespace(send=self._send, ready=self._ready)
        self.heartbeats.guard(self.client)

    async def answered(self, *_: object, **__: object) -> object:
        self.now += self.answer_seconds
        return SimpleNamespace(error_code=self.answer.errno)

    async def _ready(self, _: int) -> bool:
        return self.is_connected

    async def _send(self, _: int, request: object) -> object:
        self.sent.append(request)
        return ANSWER

    async def ask(self, request: object) -> object:
        return await self.coordinator._send_req(request)  # noqa: SLF001  # as the client does


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Group:
    return Group(monkeypatch)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [(BEAT, NoError), (BEAT, RebalanceInProgressError), (SYNC, NoError)],
    ids=["heartbeat", "heartbeat in a rebalance", "sync"],
)
async def test_a_session_begins_anew_when_the_request_was_sent(
    group: Group, request_: object, answer: type[KafkaError]
) -> None:
    group.now += SESSION_SECONDS
    group.answer = answer

    given = await group.ask(request_)

    assert given == SimpleNamespace(error_code=answer.errno)
    assert group.heartbeats.silent_seconds() == ANSWER_SECONDS


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (BEAT, GroupCoordinatorNotAvailableError),
        (BEAT, IllegalGenerationError),
        (BEAT, UnknownMemberIdError),
        (SYNC, RebalanceInProgressError),
        (JOIN, NoError),
    ],
    ids=["not there", "of an older share", "of no member", "too late a sync", "a join alone"],
)
async def test_no_other_answer_begins_one(
    group: Group, request_: object, answer: type[KafkaError]
) -> None:
    group.answer = answer

    await group.ask(request_)
    await group.ask(request_)

    assert group.heartbeats.silent_seconds() == 2 * ANSWER_SECONDS


@pytest.fixture
def member(group: Group) -> Group:
    """A worker with a share, which has not heard of its group for longer than a session."""
    group.heartbeats.are_due = True
    group.now += SESSION_SECONDS
    return group


def sending(group: Group, request: object = WRITE) -> asyncio.Task[object]:
    send = asyncio.wait_for(group.client.send(1, request), WAIT_SECONDS_MAX)
    return asyncio.ensure_future(send)


async def test_what_is_written_within_the_session_goes_out_at_once(group: Group) -> None:
    group.heartbeats.are_due = True
    group.now += SESSION_SECONDS - MARGIN_SECONDS

    assert await sending(group) == ANSWER
    assert group.sent == [WRITE]


async def test_what_would_be_written_after_it_waits_until_the_group_has_answered(
    member: Group,
) -> None:
    held = sending(member)
    await asyncio.wait([held], timeout=HELD_SECONDS)
    assert member.sent == []
    member.answer = UnknownMemberIdError
    await member.ask(BEAT)
    await asyncio.wait([held], timeout=HELD_SECONDS)
    assert member.sent == []

    member.answer, member.answer_seconds = NoError, 0.0
    await member.ask(BEAT)

    assert await held == ANSWER
    assert member.stopped == []


async def test_the_process_ends_when_its_group_stays_silent(member: Group) -> None:
    held = sending(member)
    await asyncio.wait([held], timeout=HELD_SECONDS)
    assert member.stopped == []

    member.now += HELD_SECONDS_MAX + 1
    await asyncio.wait([held], timeout=HELD_SECONDS)

    assert "has answered no heartbeat of this worker for 37 s" in str(member.stopped[0])
    assert member.sent == []
    held.cancel()


async def test_whoever_waits_for_its_share_misses_no_heartbeats(member: Group) -> None:
    member.heartbeats.are_due = False

    assert await sending(member) == ANSWER


async def test_only_what_is_written_is_held_back_and_only_if_it_would_arrive(
    member: Group,
) -> None:
    assert await sending(member, BEAT) == ANSWER
    member.is_connected = False
    assert await sending(member) == ANSWER  # the client's own error, in truth


async def test_the_client_sends_heartbeats_and_batches_by_what_is_watched(member: Group) -> None:
    coordinator = GroupCoordinator.__new__(GroupCoordinator)  # whose making begins to ask
    coordinator._client = SimpleNamespace(send=member.answered)  # noqa: SLF001  # as above
    coordinator.group_id, coordinator.generation, coordinator.member_id = "group", 1, "member"
    coordinator.coordinator_id = 1
    member.answer_seconds = 0.0
    member.heartbeats.listen(coordinator)
    sender = SimpleNamespace(
        client=member.client,
        _txn_manager=None,
        _acks=-1,
        _request_timeout_ms=1,
        _retry_backoff=0,
    )
    writing = asyncio.ensure_future(SendProduceReqHandler(sender, {}).do(1))
    await asyncio.wait([writing], timeout=HELD_SECONDS)
    assert member.sent == []

    assert await coordinator._do_heartbeat()  # noqa: SLF001  # its task calls it

    await asyncio.wait_for(writing, WAIT_SECONDS_MAX)
    assert [type(request) for request in member.sent] == [ProduceRequest]


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Consumer]:
    async def done(*_: object) -> None:
        """What Faust does with partitions needs an app that runs."""

    monkeypatch.setattr(driver.Consumer, "on_partitions_assigned", done)
    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", done)
    register()
    app: Any = faust.App("beating", broker=f"{DRIVER_SCHEME}://127.0.0.1:1")
    nothing: Any = bool
    made = Consumer(
        app.transport,
        callback=nothing,
        on_partitions_revoked=nothing,
        on_partitions_assigned=nothing,
    )
    monkeypatch.setattr(made, "assignment", set)
    monkeypatch.setattr(made, "_is_expelled", bool)
    yield made
    made._thread.thread_loop.close()  # noqa: SLF001  # its thread, which never ran, would


async def test_heartbeats_are_due_while_a_worker_has_a_share(consumer: Consumer) -> None:
    seen = [consumer.heartbeats.are_due]
    for move in (consumer.on_partitions_assigned, consumer.on_partitions_revoked):
        await move(set())
        seen.append(consumer.heartbeats.are_due)

    assert seen == [False, True, False]
