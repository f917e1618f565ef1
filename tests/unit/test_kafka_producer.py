"""The Kafka producer's barrier: it waits for what was said before, and for nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import faust
import pytest
from aiokafka.structs import RecordMetadata  # type: ignore[import-untyped]  # it ships no types

from connectors.kafka.connection import DRIVER_SCHEME
from connectors.kafka.producer import Producer
from connectors.kafka.transport import register
from connectors.kafka.unit import outgoing_of
from streams.ports import Record

TURNS = 10


class Broker:
    """Takes every record; the test decides which is acknowledged, and when."""

    def __init__(self) -> None:
        self.taken: list[asyncio.Future[Any]] = []

    async def send(self, *_: object, **__: object) -> asyncio.Future[Any]:
        self.taken.append(asyncio.get_running_loop().create_future())
        return self.taken[-1]

    async def flush(self) -> None:
        """Nothing is kept back here."""

    def acknowledge(self, number: int) -> None:
        self.taken[number].set_result(RecordMetadata("t", 0, None, number, 0, 0, 0))


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def say(producer: Producer) -> None:
    producer.enqueue([outgoing_of(Record(topic="t", key=b"k", value=b"v"))])


@pytest.fixture
async def broker() -> Broker:
    return Broker()


@pytest.fixture
async def producer(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Producer]:
    """One that sends to that broker."""
    register()
    app = faust.App("flushed", broker=f"{DRIVER_SCHEME}://127.0.0.1:1")
    producer = Producer(app.transport)
    monkeypatch.setattr(producer, "_producer", broker)
    monkeypatch.setattr(producer, "gather_seconds", 0)
    monkeypatch.setattr(producer, "_ensure_producer", lambda: broker)
    sending = asyncio.create_task(producer._send_all())  # noqa: SLF001  # no broker to start on
    yield producer
    sending.cancel()


async def test_a_flush_ends_though_whoever_appended_was_cancelled(
    producer: Producer, broker: Broker
) -> None:
    appending = asyncio.create_task(producer.append([Record(topic="t", key=b"k", value=b"v")]))
    await turns()
    appending.cancel()
    await turns()
    broker.acknowledge(0)

    await asyncio.wait_for(producer.flush(), 1)

    assert appending.cancelled()


async def test_a_flush_ends_while_more_and_more_is_said(producer: Producer, broker: Broker) -> None:
    for _ in range(3):
        say(producer)
    flushing = asyncio.create_task(producer.flush())
    await turns()
    say(producer)
    await turns()

    for number in (3, 2, 0):
        broker.acknowledge(number)
        say(producer)
        await turns()
        assert not flushing.done()
    broker.acknowledge(1)
    await asyncio.wait_for(flushing, 1)

    assert len(broker.taken) == 7
