"""Lets a worker write for as long as its group has told it of late that it is a member."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import (  # type: ignore[import-untyped]  # it ships no types
    NoError,
    RebalanceInProgressError,
)
from aiokafka.protocol.group import (  # type: ignore[import-untyped]  # no types
    HeartbeatRequest,
    SyncGroupRequest,
)
from aiokafka.protocol.produce import ProduceRequest  # type: ignore[import-untyped]  # no types

from connectors.kafka.stopping import CutOff
from streams.clock import monotonic_seconds

MARGIN_SECONDS = 0.5
"""What is sent is written before the session ends if it takes no longer than this."""
LOOK_SECONDS = 0.02
HELD_SECONDS_MAX = 30.0
"""As long as a commit may have no answer: an outage of the only broker is waited out."""
RENEWED = frozenset({NoError.errno, RebalanceInProgressError.errno})
"""The answers to a heartbeat with which the group's coordinator lets a session begin anew."""

logger = logging.getLogger("keshikomi")


class Heartbeats:
    """When this worker's session with its group began, and what may be sent within it.

    The client itself goes on with what it was given for as long as the group's coordinator cannot
    be reached, while others are given the same partitions, and it may reach their leaders.
    """

    def __init__(self, conf: Any, stop_process: Callable[[BaseException], object]) -> None:
        self.are_due = False
        """Whether the worker has a share: only then heartbeats are sent, and may be missed."""
        self._conf = conf
        self._stop_process = stop_process
        self._renewed_at = monotonic_seconds()

    def listen(self, coordinator: Any) -> None:
        """Watch what the client asks this coordinator from now on."""
        send: Callable[[Any], Awaitable[Any]] = coordinator._send_req  # noqa: SLF001  # no other way

        async def send_and_note(request: Any) -> Any:
            # The session begins when the request arrives, so at the earliest when it is sent.
            sent_at = monotonic_seconds()
            answer = await send(request)
            if _renews(request, answer):
                self._renewed_at = sent_at
            return answer

        coordinator._send_req = send_and_note  # noqa: SLF001  # as above

    def guard(self, client: Any) -> None:
        """Hold back what a producer's client would write while the session may be over."""
        send: Callable[[int, Any], Awaitable[Any]] = client.send

        async def send_within_session(node: int, request: Any, **options: Any) -> Any:
            # It may take long to connect: what is held back is held back after that.
            if isinstance(request, ProduceRequest) and await client.ready(node):
                await self._within_session()
            return await send(node, request, **options)

        client.send = send_within_session

    async def _within_session(self) -> None:
        """Return at once, or when the group has answered; the process ends if it does not."""
        if not self._is_over():
            return
        logger.warning("the group %s is silent: nothing is written until it answers", self._conf.id)
        began = monotonic_seconds()
        while self._is_over():
            if monotonic_seconds() - began > HELD_SECONDS_MAX:
                self._stop_process(CutOff(self._conf, self.silent_seconds()))
            await asyncio.sleep(LOOK_SECONDS)

    def _is_over(self) -> bool:
        session: float = self._conf.broker_session_timeout
        return self.are_due and self.silent_seconds() > session - MARGIN_SECONDS

    def silent_seconds(self) -> float:
        """How long ago the last request was sent that made the session begin anew."""
        return monotonic_seconds() - self._renewed_at


def _renews(request: Any, answer: Any) -> bool:
    if isinstance(request, HeartbeatRequest):
        return bool(answer.error_code in RENEWED)
    return isinstance(request, SyncGroupRequest) and bool(answer.error_code == NoError.errno)
