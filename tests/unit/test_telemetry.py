"""Metrics count what the laws name, and the logs say it in one line."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from agents.step import Envelope, Result
from ops.telemetry import OUTCOMES_PER_STAGE_MAX, Telemetry, accepted_at_of
from streams.domain.delivery import Attempt, Delivery, DeliveryStatus
from streams.domain.errors import Unavailable
from streams.domain.ids import (
    AccountId,
    DeliveryId,
    EndpointId,
    MerchantId,
    NoticeId,
    NotificationId,
)
from streams.happenings import (
    DeliveriesStarted,
    DeliveryAttempted,
    HistoryMessage,
    NoticeAccepted,
    NoticeRepeated,
    Quarantined,
)
from streams.ports import Archived, Place

NOW = datetime(2026, 11, 24, 1, 15, 3, 120_000, tzinfo=UTC)
PLACE = Place(topic="invoices", partition=1, offset=7)
SHOP = MerchantId("mer_1")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BODY = '{"stages":{"channel_at":null,"received_at":"2026-11-24T01:15:03.110Z","matched_at":"x"}}'


class Figures:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.telemetry = Telemetry(self.registry)

    def of(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"keshikomi_{name}", labels)


@pytest.fixture
def figures() -> Figures:
    return Figures()


@pytest.fixture
def lines() -> Iterator[list[Mapping[str, object]]]:
    """The fields of each wide event."""
    kept: list[Mapping[str, object]] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append({"event": record.msg, **record.__dict__["fields"]})

    keeper, logger = Keeper(), logging.getLogger("keshikomi")
    logger.addHandler(keeper)
    logger.setLevel(logging.INFO)
    yield kept
    logger.removeHandler(keeper)
    logger.setLevel(logging.NOTSET)


def an_envelope() -> Envelope:
    return Envelope(key=b"k", value=b"v", place=PLACE, now=NOW, traceparent=TRACE)


def a_delivery(*, body: str = BODY, round_: int = 0) -> Delivery:
    return Delivery(
        delivery_id=DeliveryId("dlv_1"),
        endpoint_id=EndpointId("ep_1"),
        merchant_id=SHOP,
        notification_id=NotificationId("evt_1"),
        notification_type="invoice.paid",
        body=body,
        created_at=NOW,
        due_at=NOW,
        round=round_,
    )


def an_attempt(*, number: int = 1, status_code: int | None = 200) -> Attempt:
    error = None if status_code else "timeout"
    return Attempt(number=number, at=NOW, duration_ms=3, status_code=status_code, error=error)


def archived(message: HistoryMessage | Quarantined) -> Archived:
    return Archived(message=message, place=PLACE, recorded_at=NOW)


def an_accepted(*, about_money: bool = True) -> NoticeAccepted:
    return NoticeAccepted(
        merchant_id=SHOP,
        account_id=AccountId("ca_1"),
        notice_id=NoticeId("ntc_1"),
        format="generic",
        received_at=NOW,
        raw_sha256="",
        raw_base64="",
        about_money=about_money,
    )


def test_a_step_is_counted_timed_and_told_in_one_line(
    figures: Figures, lines: list[Mapping[str, object]]
) -> None:
    result = Result(outcome="matched", facts={"invoice_id": "inv_1"})

    figures.telemetry.record_step("settling", an_envelope(), result, 0.0005)

    assert figures.of("steps_total", stage="settling", outcome="matched") == 1
    assert figures.of("step_seconds_sum", stage="settling") == 0.0005
    assert lines == [
        {
            "event": "step",
            "stage": "settling",
            "outcome": "matched",
            "invoice_id": "inv_1",
            "ms": 0.5,
            "source": "invoices/1/7",
            "traceparent": TRACE,
        }
    ]


def test_outcomes_cannot_make_metrics_without_end(figures: Figures) -> None:
    for number in range(OUTCOMES_PER_STAGE_MAX + 10):
        result = Result(outcome=f"surprise {number}")
        figures.telemetry.record_step("settling", an_envelope(), result, 0)

    assert figures.of("steps_total", stage="settling", outcome="other") == 10


def test_the_words_of_the_laws_are_counted_from_what_history_stored(figures: Figures) -> None:
    repeated = NoticeRepeated(merchant_id=SHOP, notice_id=NoticeId("ntc_1"), at=NOW)
    started = DeliveriesStarted(merchant_id=SHOP, deliveries=(a_delivery(), a_delivery()))
    attempted = DeliveryAttempted(
        merchant_id=SHOP,
        delivery_id=DeliveryId("dlv_1"),
        round=0,
        status=DeliveryStatus.RETRYING,
        at=NOW,
    )
    quarantined = Quarantined(quarantine_id="q", at=NOW, code="malformed", reason="", raw_base64="")
    messages = (
        an_accepted(),
        an_accepted(about_money=False),
        repeated,
        started,
        attempted,
        quarantined,
    )

    figures.telemetry.observe_archived([archived(message) for message in messages])

    for state in ("accepted", "noted", "repeated", "quarantined"):
        assert figures.of("notices_total", state=state) == 1
    assert figures.of("notices_total", state="matched") == 0
    assert figures.of("notified_total") == 2
    assert figures.of("deliveries_total", status="retrying") == 1


@pytest.mark.parametrize(
    ("status_code", "result"),
    [(200, "delivered"), (204, "delivered"), (302, "refused"), (410, "gone"), (None, "no_answer")],
)
def test_attempts_are_counted_by_result(
    figures: Figures, status_code: int | None, result: str
) -> None:
    figures.telemetry.observe_attempt(a_delivery(), an_attempt(status_code=status_code))

    assert figures.of("attempts_total", result=result) == 1


def test_the_first_attempt_is_measured_from_the_acceptance(
    figures: Figures, lines: list[Mapping[str, object]]
) -> None:
    figures.telemetry.observe_attempt(a_delivery(), an_attempt())
    figures.telemetry.observe_attempt(a_delivery(), an_attempt(number=2, status_code=None))
    figures.telemetry.observe_attempt(a_delivery(round_=1), an_attempt())

    assert figures.of("first_attempt_seconds_count") == 1
    assert figures.of("first_attempt_seconds_sum") == pytest.approx(0.010)
    assert lines[0]["after_ms"] == 10.0
    assert lines[1]["reason"] == "timeout"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (BODY, NOW - timedelta(milliseconds=10)),
        ('{"received_at":"2026-11-24T01:15:03Z"}', NOW.replace(microsecond=0)),
        ('{"received_at":null}', None),
        ('{"metadata":{"received_at":"yesterday"}}', None),
        ('{"metadata":{"received_at":"2026-11-24"}}', None),
        ('{"metadata":{"received_at":"not a time Z"}}', None),
        ("{}", None),
    ],
)
def test_the_time_of_acceptance_is_read_from_the_body(body: str, expected: datetime) -> None:
    assert accepted_at_of(a_delivery(body=body)) == expected


def test_gauges_show_what_waits(figures: Figures) -> None:
    figures.telemetry.show_deliveries(waiting=3, in_flight=2)
    figures.telemetry.show_lag("settling", 5)

    assert figures.of("deliveries_waiting") == 3
    assert figures.of("deliveries_in_flight") == 2
    assert figures.of("lag_records", stage="settling") == 5


def test_an_outage_of_history_is_counted_and_told(
    figures: Figures, lines: list[Mapping[str, object]]
) -> None:
    figures.telemetry.record_outage(Unavailable("the disk is gone"), 0.5)

    assert figures.of("history_outages_total") == 1
    assert lines[0]["reason"] == "the disk is gone"


def test_forgotten_records_are_counted_by_topic_from_zero_on(figures: Figures) -> None:
    assert figures.of("forgotten_records_total", topic="references") == 0

    figures.telemetry.record_forgotten("references", 3)

    assert figures.of("forgotten_records_total", topic="references") == 3
    assert figures.of("forgotten_records_total", topic="history") == 0


def test_the_operators_page_lists_every_metric(figures: Figures) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text("utf-8")

    for metric in figures.registry.collect():
        assert f"`{metric.name}" in page
