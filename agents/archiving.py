"""The archiving step: from history and quarantine to rows, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from faust.types import EventT, StreamT

from agents.loop import Agent, FailStop, envelope_of, quarantined_of, recorded_at
from connectors.log.taking import Taking
from streams.codecs import decode_archived
from streams.domain.errors import Malformed
from streams.happenings import (
    AcknowledgementTaken,
    DeliveriesStarted,
    DeliveryAttempted,
    EndpointTold,
    InvoiceChanged,
    NoticeHeld,
)
from streams.outages import OnOutage, until_available
from streams.ports import Archived, History
from streams.replays import ReplayEnded, ReplayRequested

BATCH_RECORDS_MAX = 500
BATCH_BYTES_MAX = 32 * 1024 * 1024
"""Of what waits behind the first record; the one that fills it goes with it, too. Decoded, and on
its way to history, it is several times as much."""
BATCH_WAIT_SECONDS = 0.05

Observe = Callable[[Sequence[Archived]], None]
Publish = Callable[[Collection[str]], None]
"""Tells those who wait of which ids something new is stored; it neither waits nor raises."""


def archiving(
    *,
    history: History,
    observe: Observe,
    publish: Publish,
    on_outage: OnOutage,
    fail_stop: FailStop,
) -> Agent:
    """Build the agent. History that cannot be reached means lag, never loss.

    A batch is acknowledged only after it is stored; a crash in between stores it again, which
    changes nothing.
    """

    async def agent(stream: StreamT[bytes]) -> None:
        stream.enable_acks = False  # else Faust takes what is cancelled for done, too
        taking = Taking(stream)
        async for _ in stream:
            first = stream.current_event
            assert first is not None, "an agent reads topics, where every value has its event"
            try:
                if taking.waiting < BATCH_RECORDS_MAX:
                    await asyncio.sleep(BATCH_WAIT_SECONDS)
                more = taking.some(BATCH_RECORDS_MAX - 1, bytes_max=BATCH_BYTES_MAX)
                events = [first, *more]
                batch = [archived_of(event) for event in events]
                await until_available(partial(history.store, batch), on_outage)
                publish({subject for each in batch for subject in subjects_of(each)})
                observe(batch)
            except Exception as error:
                fail_stop("archiving", error)
                raise
            for event in events:
                event.ack()

    return agent


def archived_of(event: EventT[bytes]) -> Archived:
    """A record of history, or the quarantine of one that cannot be read."""
    envelope = envelope_of(event)
    try:
        message = decode_archived(envelope.value)
    except Malformed as error:
        message = quarantined_of(envelope, error)
    return Archived(message=message, place=envelope.place, recorded_at=recorded_at(event))


def subjects_of(archived: Archived) -> Iterator[str]:
    """The ids that somebody may wait for and that a message has something new of."""
    message = archived.message
    match message:
        case InvoiceChanged():
            yield from _subjects_of_change(message)
        case NoticeHeld() | EndpointTold():
            if message.notifications:
                yield message.merchant_id
        case DeliveriesStarted():
            # Nobody waits for the first round of a delivery: it has no id outside before.
            yield from (each.delivery_id for each in message.deliveries if each.round)
        case DeliveryAttempted() if message.round:
            yield message.delivery_id
        case ReplayRequested() | ReplayEnded():
            yield message.replay_id
        case AcknowledgementTaken():
            yield message.event_id
        case _:
            pass


def _subjects_of_change(message: InvoiceChanged) -> Iterator[str]:
    yield message.invoice_id
    if message.request_id is not None:
        yield message.request_id
    if message.notice is not None:
        yield message.notice.notice_id
    if message.notifications:
        yield message.merchant_id  # its feed has grown
