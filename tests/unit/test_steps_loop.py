"""The one loop: it alone acknowledges, quarantines and stops, whatever a step does."""

from __future__ import annotations

import base64
from typing import Any, cast

import pytest

from agents.loop import recorded_at
from agents.step import Envelope, Result, Step
from streams.codecs import encode
from streams.domain.errors import CorruptState, Malformed, OverLimit
from streams.happenings import Quarantined
from streams.messages import NoticeReceived
from streams.ports import Record
from tests.builders import MERCHANT, NOW, a_notice, a_notice_id
from tests.loop_fakes import Driven, FakeEvent, FakeMessage, FakeUnits, saying
from tests.step_builders import DECODERS

OUTPUT = Record(topic="history", key=b"k", value=b"v")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def raising(error: Exception) -> Step:
    def step(_envelope: Envelope) -> Result:
        raise error

    return step


async def test_outputs_and_position_are_one_unit() -> None:
    message = FakeMessage(b"in")

    driven = await Driven(saying(OUTPUT, OUTPUT)).run(message)

    assert [(unit.message, unit.records) for unit in driven.units.queued] == [
        (message, [OUTPUT, OUTPUT])
    ]


async def test_a_step_sees_the_record_its_place_and_the_time() -> None:
    driven = await Driven(saying()).run(FakeMessage(b"in"), FakeMessage(None, key=None))

    seen = [envelope for _, envelope, _, _ in driven.reports]
    assert [(one.key, one.value) for one in seen] == [(b"key", b"in"), (b"", b"")]
    assert seen[0].source == "references/3/7"
    assert seen[0].now == NOW


@pytest.mark.parametrize(
    "headers", [{"traceparent": TRACE.encode()}, [("x", b"y"), ("traceparent", TRACE.encode())]]
)
async def test_the_trace_goes_on_with_every_output(headers: Any) -> None:
    driven = await Driven(saying(OUTPUT, OUTPUT)).run(FakeMessage(b"in", headers=headers))

    sent = [record.headers for record in driven.units.queued[0].records]
    assert sent == [(("traceparent", TRACE.encode()),)] * 2
    assert driven.reports[0][1].traceparent == TRACE


@pytest.mark.parametrize("headers", [None, {}, [], [("x", b"y")]])
async def test_without_a_trace_outputs_go_as_they_are(headers: Any) -> None:
    driven = await Driven(saying(OUTPUT)).run(FakeMessage(b"in", headers=headers))

    assert driven.units.queued[0].records == [OUTPUT]


async def test_results_are_reported_with_their_stage_and_duration() -> None:
    driven = await Driven(saying(outcome="matched")).run(FakeMessage(b"in"), FakeMessage(b"in"))

    assert [(stage, result.outcome) for stage, _, result, _ in driven.reports] == [
        ("resolving", "matched")
    ] * 2
    assert all(seconds >= 0 for *_, seconds in driven.reports)
    assert driven.units.asked_for_room == 2


# --- their fault: quarantine, and go on


def quarantined(driven: Driven) -> list[Quarantined]:
    records = [record for unit in driven.units.queued for record in unit.records]
    return [cast("Quarantined", DECODERS[record.topic](record.value)) for record in records]


@pytest.mark.parametrize("error", [Malformed("line 1"), OverLimit("at most 200")])
async def test_bad_data_goes_to_quarantine_with_its_bytes_and_its_position(
    error: Malformed | OverLimit,
) -> None:
    message = FakeMessage(b"\xff\x00 raw")

    driven = await Driven(raising(error)).run(message)

    assert [unit.message for unit in driven.units.queued] == [message]
    (kept,) = quarantined(driven)
    assert base64.b64decode(kept.raw_base64) == b"\xff\x00 raw"
    assert base64.b64decode(kept.key) == b"key"
    assert (kept.code, kept.reason) == (error.code, str(error))
    assert (kept.topic, kept.at, kept.notice_id) == ("references", NOW, None)
    assert driven.reports[0][2].outcome == "quarantined"
    assert driven.stops == []


async def test_after_bad_data_the_next_record_is_processed() -> None:
    def step(envelope: Envelope) -> Result:
        if envelope.value == b"bad":
            raise Malformed
        return Result(records=(OUTPUT,))

    driven = await Driven(step).run(FakeMessage(b"bad"), FakeMessage(b"good", offset=8))

    assert [unit.message.value for unit in driven.units.queued] == [b"bad", b"good"]
    assert [record.topic for unit in driven.units.queued for record in unit.records] == [
        "quarantine",
        "history",
    ]


async def test_a_replay_is_quarantined_under_the_same_id_and_another_record_is_not() -> None:
    driven = await Driven(raising(Malformed())).run(
        FakeMessage(b"bad"), FakeMessage(b"bad"), FakeMessage(b"bad", offset=8)
    )

    first, replayed, other = (kept.quarantine_id for kept in quarantined(driven))
    assert first == replayed != other


RECEIVED = NoticeReceived(merchant_id=MERCHANT, notice=a_notice(), received_at=NOW)


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (encode(RECEIVED), (MERCHANT, a_notice_id())),
        (b'{"merchant_id": 5, "notice": {"notice_id": null}}', (None, None)),
        (b'{"notice": "text"}', (None, None)),
        (b"[1]", (None, None)),
        (b"not json", (None, None)),
    ],
)
async def test_quarantine_names_the_merchant_and_the_notice_where_they_can_be_read(
    value: bytes, known: tuple[str | None, str | None]
) -> None:
    driven = await Driven(raising(OverLimit())).run(FakeMessage(value))

    (kept,) = quarantined(driven)
    assert (kept.merchant_id, kept.notice_id) == known


# --- our fault, or the world's: stop


@pytest.mark.parametrize("error", [CorruptState("row"), ZeroDivisionError(), KeyError("x")])
async def test_anything_else_stops_the_process_and_nothing_is_queued(error: Exception) -> None:
    driven = Driven(raising(error))

    with pytest.raises(type(error)):
        await driven.run(FakeMessage(b"one"), FakeMessage(b"two", offset=8))

    assert driven.stops == [("resolving", error)]
    assert driven.units.queued == []
    assert driven.reports == []


async def test_a_log_that_takes_no_more_stops_the_process() -> None:
    error = OSError("disk full")
    driven = Driven(saying(OUTPUT), units=FakeUnits(full=error))

    with pytest.raises(OSError, match="disk full"):
        await driven.run(FakeMessage(b"one"))

    assert driven.stops == [("resolving", error)]
    assert driven.units.queued == []


def test_the_log_says_when_a_record_was_written() -> None:
    assert recorded_at(cast("Any", FakeEvent(FakeMessage(b"x")))) == NOW
