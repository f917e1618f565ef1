"""Whoever sees a client of Kafka off goes on, however the client ends."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]  # it ships no types
from aiokafka.consumer.group_coordinator import (  # type: ignore[import-untyped]  # as above
    NoGroupCoordinator,
)

from connectors.kafka.reaching import farewell


async def test_a_consumer_that_is_stopped_at_once_cancels_nobody_else() -> None:
    """As where the first question to a broker that has just come back fails without a wait."""
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1", enable_auto_commit=False)
    # As `start` leaves it, which would need a broker.
    consumer._coordinator = NoGroupCoordinator(  # noqa: SLF001  # see above
        consumer._client,  # noqa: SLF001  # as above
        consumer._subscription,  # noqa: SLF001  # as above
    )

    await farewell(consumer.stop())


async def test_an_end_that_fails_is_no_failure_of_whoever_waits() -> None:
    async def fails() -> None:
        raise OSError

    await farewell(fails())


async def test_whoever_waits_can_be_cancelled() -> None:
    forever = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(farewell(forever))
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert forever.cancelled()
