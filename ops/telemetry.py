"""The closed set of metrics and wide events, and the functions that feed them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
)

from agents.step import Envelope, Result
from ops.logs import wide
from streams.domain.delivery import GONE, SUCCESS, Attempt, Delivery
from streams.domain.errors import Unavailable
from streams.domain.settlement import Outcome
from streams.happenings import (
    AcknowledgementTaken,
    DeliveriesStarted,
    DeliveryAttempted,
    EndpointTold,
    InvoiceChanged,
    NoticeAccepted,
    NoticeHeld,
    NoticeRepeated,
    Quarantined,
)
from streams.ports import Archived
from streams.replays import ReplayAdvanced, ReplayEnded, ReplayRequested, ReplayTaken
from streams.topics import TOPICS

STEP_SECONDS_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1, 1.0)
FIRST_ATTEMPT_SECONDS_BUCKETS = (
    0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0,
)  # fmt: skip
ATTEMPT_SECONDS_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 30.0)
OUTCOMES_PER_STAGE_MAX = 50
"""Outcomes are words of the steps' own; should one ever hold data, it becomes `other`."""

logger = logging.getLogger("keshikomi")


class Event(StrEnum):
    """The wide events, one line each."""

    STEP = "step"
    ATTEMPT = "attempt"
    QUARANTINED = "quarantined"
    HISTORY_OUTAGE = "history_unavailable"


class NoticeState(StrEnum):
    """The states of the first law, as they are counted."""

    ACCEPTED = "accepted"
    MATCHED = "matched"
    UNMATCHED = "unmatched"
    QUARANTINED = "quarantined"
    REPEATED = "repeated"
    NOTED = "noted"


class AttemptResult(StrEnum):
    """What became of one HTTP try."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    GONE = "gone"
    NO_ANSWER = "no_answer"


class Telemetry:
    """The metrics of one process; made once, after `name_process`."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        counter, gauge, histogram = _makers(registry)
        notices = counter("notices", "Notices by what became of them", "state")
        self._notices = {state: notices.labels(state) for state in NoticeState}
        settled = counter("settlements", "Settled notices by outcome", "outcome")
        self._settled = {outcome: settled.labels(outcome) for outcome in Outcome}
        self._notified = counter("notified", "Deliveries that were started")
        ended = counter("deliveries", "Deliveries by their status after an attempt", "status")
        self._ended: Callable[[str], Counter] = ended.labels
        attempts = counter("attempts", "Attempts to deliver, by result", "result")
        self._attempts = {result: attempts.labels(result) for result in AttemptResult}
        self._attempt_seconds = histogram(
            "attempt_seconds", "How long attempts took", ATTEMPT_SECONDS_BUCKETS
        )
        self._first_attempt_seconds = histogram(
            "first_attempt_seconds",
            "From the acceptance of a notice to the first attempt to tell of it",
            FIRST_ATTEMPT_SECONDS_BUCKETS,
        )
        self._steps = counter("steps", "Steps by stage and outcome", "stage", "outcome")
        self._step_seconds = histogram(
            "step_seconds", "How long steps took", STEP_SECONDS_BUCKETS, "stage"
        )
        self._by_stage: dict[str, tuple[Histogram, dict[str, Counter]]] = {}
        self._lag = gauge("lag_records", "Records that a stage has yet to take", "stage")
        self._waiting = gauge("deliveries_waiting", "Deliveries that wait for their next attempt")
        self._in_flight = gauge("deliveries_in_flight", "Attempts that are being made now")
        self._outages = counter("history_outages", "Failed tries to write history")
        forgotten = counter(
            "forgotten_records", "Records that Kafka forgot before they were read", "topic"
        )
        # Each from 0 on: who watches for an increase sees none where a figure appears.
        self._forgotten = {topic.name: forgotten.labels(topic.name) for topic in TOPICS}

    # -- steps

    def record_step(self, stage: str, envelope: Envelope, result: Result, seconds: float) -> None:
        """Count one step and log its wide event; fits `agents.loop.Report`."""
        took, steps = self._by_stage.get(stage) or self._meet(stage)
        took.observe(seconds)
        step = steps.get(result.outcome) or self._meet_outcome(stage, result.outcome)
        step.inc()
        is_bad = result.outcome == NoticeState.QUARANTINED
        level = logging.WARNING if is_bad else logging.INFO
        if not logger.isEnabledFor(level):
            return
        fields = {
            "stage": stage,
            "outcome": result.outcome,
            **result.facts,
            "ms": round(seconds * 1000, 3),
            "source": envelope.source,
        }
        if envelope.traceparent:
            fields["traceparent"] = envelope.traceparent
        wide(logger, level, Event.QUARANTINED if is_bad else Event.STEP, fields)

    def _meet(self, stage: str) -> tuple[Histogram, dict[str, Counter]]:
        return self._by_stage.setdefault(stage, (self._step_seconds.labels(stage), {}))

    def _meet_outcome(self, stage: str, outcome: str) -> Counter:
        steps = self._by_stage[stage][1]
        known = outcome if len(steps) < OUTCOMES_PER_STAGE_MAX else "other"
        return steps.setdefault(known, self._steps.labels(stage, known))

    # -- what history says

    def observe_archived(self, batch: Sequence[Archived]) -> None:
        """Count what was stored in history, by the words of the laws; fits `agents.archiving`."""
        for archived in batch:
            self._count(archived)

    def _count(self, archived: Archived) -> None:
        message = archived.message
        match message:
            case NoticeAccepted():
                state = NoticeState.ACCEPTED if message.about_money else NoticeState.NOTED
                self._notices[state].inc()
            case NoticeHeld():
                self._notices[NoticeState.UNMATCHED].inc()
            case NoticeRepeated():
                self._notices[NoticeState.REPEATED].inc()
            case InvoiceChanged():
                if message.settlement is not None:
                    self._notices[NoticeState.MATCHED].inc()
                    self._settled[message.settlement.outcome].inc()
            case DeliveriesStarted():
                self._notified.inc(len(message.deliveries))
            case DeliveryAttempted():
                self._ended(message.status).inc()
            case (
                EndpointTold()
                | AcknowledgementTaken()
                | ReplayRequested()
                | ReplayTaken()
                | ReplayAdvanced()
                | ReplayEnded()
            ):
                pass  # what they start, or end, is counted as deliveries
            case Quarantined():
                self._notices[NoticeState.QUARANTINED].inc()
            case _:
                assert_never(message)

    def record_outage(self, error: Unavailable, wait_seconds: float) -> None:
        """History cannot be written; fits `streams.outages.OnOutage`."""
        self._outages.inc()
        fields = {"reason": str(error), "next_try_seconds": wait_seconds}
        wide(logger, logging.WARNING, Event.HISTORY_OUTAGE, fields)

    def record_forgotten(self, topic: str, records: int) -> None:
        """The log has lost records, or may have; fits `connectors.kafka.forgotten.OnForgotten`."""
        self._forgotten[topic].inc(records)

    # -- deliveries

    def observe_attempt(self, delivery: Delivery, attempt: Attempt) -> None:
        """Count one attempt, whatever became of it, and log its wide event."""
        result = result_of(attempt)
        self._attempts[result].inc()
        self._attempt_seconds.observe(attempt.duration_ms / 1000)
        after_ms: float | None = None
        if attempt.number == 1 and delivery.round == 0:
            accepted_at = accepted_at_of(delivery)
            if accepted_at is not None:
                after_seconds = (attempt.at - accepted_at).total_seconds()
                self._first_attempt_seconds.observe(after_seconds)
                after_ms = round(after_seconds * 1000, 3)
        if not logger.isEnabledFor(logging.INFO):
            return
        fields: dict[str, object] = {
            "result": result,
            "delivery_id": delivery.delivery_id,
            "event_id": delivery.notification_id,
            "type": delivery.notification_type,
            "endpoint_id": delivery.endpoint_id,
            "merchant_id": delivery.merchant_id,
            "attempt": attempt.number,
            "status_code": attempt.status_code,
            "ms": attempt.duration_ms,
        }
        if attempt.error is not None:
            fields["reason"] = attempt.error
        if after_ms is not None:
            fields["after_ms"] = after_ms
        if delivery.traceparent:
            fields["traceparent"] = delivery.traceparent
        wide(logger, logging.INFO, Event.ATTEMPT, fields)

    def show_deliveries(self, *, waiting: int, in_flight: int) -> None:
        """How many deliveries wait, and how many attempts are under way."""
        self._waiting.set(waiting)
        self._in_flight.set(in_flight)

    def show_lag(self, stage: str, records: int) -> None:
        """How many records a stage has yet to take."""
        self._lag.labels(stage).set(records)


def result_of(attempt: Attempt) -> AttemptResult:
    """The result of an attempt, as it is counted."""
    if attempt.status_code is None:
        return AttemptResult.NO_ANSWER
    if attempt.status_code in SUCCESS:
        return AttemptResult.DELIVERED
    return AttemptResult.GONE if attempt.status_code == GONE else AttemptResult.REFUSED


_RECEIVED_AT = '"received_at":"'


def accepted_at_of(delivery: Delivery) -> datetime | None:
    """When the notice behind a delivery was accepted, as its body's last part says."""
    begin = delivery.body.rfind(_RECEIVED_AT)
    if begin < 0:
        return None
    begin += len(_RECEIVED_AT)
    text = delivery.body[begin : delivery.body.find('"', begin)]
    try:
        # Ours ends in Z: a time without an offset is some text of the merchant's.
        return datetime.fromisoformat(text) if text.endswith("Z") else None
    except ValueError:
        return None


def _makers(
    registry: CollectorRegistry,
) -> tuple[Callable[..., Counter], Callable[..., Gauge], Callable[..., Histogram]]:
    def counter(name: str, about: str, *labels: str) -> Counter:
        return Counter(f"keshikomi_{name}", about, labels, registry=registry)

    def gauge(name: str, about: str, *labels: str) -> Gauge:
        # Of a process that is gone nothing waits and nothing is under way.
        return Gauge(
            f"keshikomi_{name}", about, labels, registry=registry, multiprocess_mode="livesum"
        )

    def histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"keshikomi_{name}", about, labels, registry=registry, buckets=buckets)

    return counter, gauge, histogram
