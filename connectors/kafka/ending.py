"""Ends clients of aiokafka within a bound, with every task and connection of theirs.

Their own `stop` ends nothing of what comes behind the point where it waits or fails. A producer's
waits until everything is written, and an idempotent one tries for ever; a consumer's fails when a
fetch of its own has just failed, and leaves its connections.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiokafka import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaConsumer,
    AIOKafkaProducer,
)
from aiokafka.errors import ProducerClosed  # type: ignore[import-untyped]  # it ships no types

from connectors.kafka.reaching import FAREWELL_SECONDS_MAX, farewell

CANCELS_MAX = 3
"""A task may miss one: Python 3.11's `wait_for` swallows it when its answer came just then."""

logger = logging.getLogger(__name__)


class MortalProducer(AIOKafkaProducer):  # type: ignore[misc]  # it ships no types
    """A producer that ends, whatever it has not written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._requests: set[asyncio.Task[None]] = set()
        self._send_batches = self._sender._send_produce_req  # noqa: SLF001  # see the reliance
        self._sender._send_produce_req = self._send_known  # noqa: SLF001  # as above

    async def _send_known(self, node_id: int, batches: Any) -> None:
        """As the sender's own, but the task is known: a sender that ends waits for its requests."""
        task = asyncio.current_task()
        assert task is not None
        self._requests.add(task)
        try:
            await self._send_batches(node_id, batches)
        finally:
            self._requests.discard(task)

    async def end(self, grace_seconds: float) -> None:
        """Write what can be written within some seconds, give up the rest, and disconnect."""
        stopping = asyncio.ensure_future(self.stop())
        await asyncio.wait([stopping], timeout=grace_seconds)
        if not stopping.done():
            logger.warning(
                "a Kafka producer is given up with what it could not write in %g s", grace_seconds
            )
            await self._cancel()
            self._message_accumulator.fail_all(ProducerClosed())  # `stop` waits for it, and others
        await farewell(stopping)
        await farewell(self.client.close())

    async def _cancel(self) -> None:
        for _ in range(CANCELS_MAX):
            tasks = {*self._requests, self._sender.sender_task} - {None}
            running = [task for task in tasks if not task.done()]
            if not running:
                break
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=FAREWELL_SECONDS_MAX)


async def end_consumer(consumer: AIOKafkaConsumer) -> None:
    """Disconnect, however far `stop` gets."""
    await farewell(consumer.stop())
    if (fetcher := consumer._fetcher) is not None:  # noqa: SLF001  # no public way to them
        await farewell(fetcher.close())
    await farewell(consumer._client.close())  # noqa: SLF001  # as above
