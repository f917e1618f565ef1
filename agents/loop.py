"""The one loop that drives every step: it alone acknowledges, quarantines and stops."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from faust.types import EventT, StreamT

from agents.step import Envelope, Result, Step, record
from connectors.log.limits import bytes_of
from connectors.log.taking import Taking
from streams.clock import monotonic_seconds
from streams.domain.errors import OverLimit, RemoteError
from streams.domain.ids import MerchantId, NoticeId, derive
from streams.happenings import Quarantined
from streams.ports import Place, Record
from streams.topics import QUARANTINE

TURN_SECONDS_MAX = 0.005
"""A backlog must not keep deliveries and timers waiting longer than this."""
TRACEPARENT = "traceparent"
SAID_BYTES_MAX = 5 * 1024 * 1024
"""The most that a step says in one record. Should the next step have no use for it, it must go into
quarantine as a whole, as base64, and that is a record too."""
KEY_BYTES_MAX = 64 * 1024
ID_CHARACTERS_MAX = 128
"""No id of ours is longer."""
REASON_CHARACTERS_MAX = 1_000

Report = Callable[[str, Envelope, Result, float], None]
"""Stage, record, result and seconds of one step."""
FailStop = Callable[[str, BaseException], None]
"""Ends the process before anything can be acknowledged; does not return."""
Agent = Callable[[StreamT[bytes]], Awaitable[None]]


class OpenUnit(Protocol):
    """What a step sends becomes durable together with its position."""

    def send(self, record: Record) -> None: ...


class Units(Protocol):
    """The log's producer, as the loop sees it."""

    def unit(self, message: Any) -> AbstractContextManager[OpenUnit]: ...
    async def room(self) -> None: ...


def looped(
    stage: str,
    step: Step,
    *,
    units: Callable[[], Units],
    report: Report,
    fail_stop: FailStop,
) -> Agent:
    """Wrap a step into a Faust agent.

    Faust acknowledges an event whatever its agent does, so nothing may leave this loop: foreign
    bad data goes to quarantine in the same unit as the position, anything else stops the process.
    """

    async def agent(stream: StreamT[bytes]) -> None:
        taking = Taking(stream)
        # `stream.events()` is this loop inside a second generator.
        async for _ in stream:
            first = event = stream.current_event
            assert first is not None, "an agent reads a topic, where every value has its event"
            turn_ends = monotonic_seconds() + TURN_SECONDS_MAX
            while event is not None:
                try:
                    await units().room()
                    _process(stage, step, event, units=units(), report=report)
                except Exception as error:
                    fail_stop(stage, error)
                    raise
                if event is not first:
                    event.ack()
                event = taking.next() if monotonic_seconds() < turn_ends else None
            taking.give_back(first)

    return agent


def _process(stage: str, step: Step, event: EventT[bytes], *, units: Units, report: Report) -> None:
    began = monotonic_seconds()
    envelope = envelope_of(event)
    try:
        with units.unit(event.message) as unit:
            result = step(envelope)
            for output in result.records:
                said = _traced(output, envelope.traceparent)
                _must_be_sayable(said)
                unit.send(said)
    except RemoteError as error:
        result = quarantine(envelope, error)
        with units.unit(event.message) as unit:
            for output in result.records:
                unit.send(output)
    report(stage, envelope, result, monotonic_seconds() - began)


def envelope_of(event: EventT[bytes]) -> Envelope:
    """A Faust event as the envelope that a step reads."""
    message = event.message
    return Envelope(
        key=message.key or b"",
        value=message.value or b"",
        place=Place(topic=message.topic, partition=message.partition, offset=message.offset),
        now=recorded_at(event),
        traceparent=_traceparent(message.headers),
    )


def recorded_at(event: EventT[bytes]) -> datetime:
    """The time that the log gave the record, in whole milliseconds: a replay finds the same."""
    return datetime.fromtimestamp(event.message.timestamp, UTC)


def _traceparent(headers: Any) -> str:
    pairs = headers.items() if hasattr(headers, "items") else headers or ()
    for name, value in pairs:
        if name == TRACEPARENT:
            return str(value.decode("ascii", "replace"))
    return ""


def _traced(output: Record, traceparent: str) -> Record:
    if not traceparent:
        return output
    headers = ((TRACEPARENT, traceparent.encode()),)
    return Record(topic=output.topic, key=output.key, value=output.value, headers=headers)


def _must_be_sayable(output: Record) -> None:
    size = bytes_of(output)
    if size > SAID_BYTES_MAX:
        raise OverLimit(
            f"{size} bytes for {output.topic} as one record: a step says {SAID_BYTES_MAX} at most"
        )


def quarantine(envelope: Envelope, error: RemoteError) -> Result:
    """Keep what cannot be used, with its reason, its raw bytes and where it came from."""
    kept = quarantined_of(envelope, error)
    return Result(
        records=(record(QUARANTINE, kept.quarantine_id, kept),),
        outcome="quarantined",
        facts={"code": error.code, "reason": str(error), "quarantine_id": kept.quarantine_id},
    )


def quarantined_of(envelope: Envelope, error: RemoteError) -> Quarantined:
    """The quarantine's row for a record; its id is derived from the record's place.

    Of a record that is larger than a step may say, and so was not said by one, the beginning is
    kept: the row must be a record that the log takes.
    """
    known = _known(envelope.value)
    notice = known.get("notice")
    notice_id = _id(notice.get("notice_id")) if isinstance(notice, dict) else None
    merchant_id = _id(known.get("merchant_id"))
    raw, key = envelope.value[:SAID_BYTES_MAX], envelope.key[:KEY_BYTES_MAX]
    is_cut = (raw, key) != (envelope.value, envelope.key)
    reason = str(error)[:REASON_CHARACTERS_MAX]
    if is_cut:
        reason += f" (only its beginning is here; the whole record stands at {envelope.source})"
    return Quarantined(
        quarantine_id=derive("qtn", envelope.source),
        at=envelope.now,
        code=error.code,
        reason=reason,
        raw_base64=base64.b64encode(raw).decode(),
        topic=envelope.place.topic,
        key=base64.b64encode(key).decode(),
        merchant_id=None if merchant_id is None else MerchantId(merchant_id),
        notice_id=None if notice_id is None else NoticeId(notice_id),
        whole_bytes=len(envelope.value) if is_cut else None,
    )


def _id(found: object) -> str | None:
    return found if isinstance(found, str) and len(found) <= ID_CHARACTERS_MAX else None


def _known(value: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(value)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}
