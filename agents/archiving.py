"""The archiving step: from history and quarantine to rows, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from faust.types import EventT, StreamT

from agents.loop import Agent, FailStop, envelope_of, quarantined_of, recorded_at
from streams.clock import Clock
from streams.codecs import decode_archived
from streams.domain.errors import Malformed, Unavailable
from streams.ports import Archived, History

BATCH_RECORDS_MAX = 500
BATCH_WAIT_SECONDS = 0.02
RETRY_SECONDS_MIN = 0.2
RETRY_SECONDS_MAX = 10.0

Observe = Callable[[Sequence[Archived]], None]
OnOutage = Callable[[Unavailable, float], None]
"""Told of each failed try and of the seconds until the next one."""


def archiving(
    *,
    history: History,
    clock: Clock,
    observe: Observe,
    on_outage: OnOutage,
    fail_stop: FailStop,
) -> Agent:
    """Build the agent. History that cannot be reached means lag, never loss.

    A batch is acknowledged only after it is stored; a crash in between stores it again, which
    changes nothing.
    """

    async def agent(stream: StreamT[bytes]) -> None:
        batches = stream.take_events(  # type: ignore[attr-defined]  # missing in Faust's StreamT
            BATCH_RECORDS_MAX, within=BATCH_WAIT_SECONDS
        )
        async for events in batches:
            try:
                batch = [archived_of(event, clock) for event in events]
                await _store(history, batch, on_outage)
                observe(batch)
            except Exception as error:
                fail_stop("archiving", error)
                raise

    return agent


def archived_of(event: EventT[bytes], clock: Clock) -> Archived:
    """A record of history, or the quarantine of one that cannot be read."""
    envelope = envelope_of(event, clock())
    try:
        message = decode_archived(envelope.value)
    except Malformed as error:
        message = quarantined_of(envelope, error)
    return Archived(message=message, place=envelope.place, recorded_at=recorded_at(event))


async def _store(history: History, batch: Sequence[Archived], on_outage: OnOutage) -> None:
    wait_seconds = RETRY_SECONDS_MIN
    while True:
        try:
            await history.store(batch)
        except Unavailable as error:
            on_outage(error, wait_seconds)
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, RETRY_SECONDS_MAX)
        else:
            return
