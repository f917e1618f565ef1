"""A small world of steps, lanes, clocks and crashes, driven by one seed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from agents.deadlines import Deadlines
from agents.notifying import notifying
from agents.resolving import resolving
from agents.settling import settling
from agents.step import record
from streams.codecs import (
    decode_counter,
    decode_delivery,
    decode_endpoints,
    decode_invoice,
    decode_reference_row,
)
from streams.domain.acknowledging import ack_seconds
from streams.domain.delivery import Attempt, Delivery
from streams.domain.ids import InvoiceId, MerchantId
from streams.domain.invoice import state_of
from streams.domain.settlement import awaits_deadline
from streams.messages import AttemptMade
from streams.topics import INVOICES, NOTIFICATIONS, REFERENCES
from tables.pending import Pending
from tests.builders import NOW
from tests.simulation.fake_log import Durability, FakeLog
from tests.simulation.processes import FakeLanes, LoggedTable, Process

CRASHES_PER_TURN = (0.001, 0.01, 0.04)
"""One of these for a whole run: much goes wrong only where nothing else does."""
CRASHES_AFTER_SENDING = 0.1
CLOCKS_DIFFER_BY_SECONDS = 600
SECONDS_PER_TURN_MAX = 30
RELEASED_AT_ONCE = 0.2
"""How many answers acknowledge."""
A_LONG_TIME = timedelta(days=30)
"""Every deadline has passed by then."""
ANSWERS = (200, 200, 200, 500, 500, 503, None, None, 410)
"""What the receivers say while they are unwell; None is no answer at all."""


class World:
    """Everything outside the log, and the turns in which it moves."""

    def __init__(self, seed: str, make_durability: Callable[[FakeLog], Durability]) -> None:
        self.random = Random(seed)  # noqa: S311  # a simulation wants chance that can be repeated
        self.now = NOW
        self.is_unwell = True
        self.crashes_per_turn = self.random.choice(CRASHES_PER_TURN)
        self.crash_count = 0
        self.received: list[Delivery] = []
        self.log = FakeLog(self._someones_clock)
        self.references = LoggedTable(self.log, "references", decode_reference_row)
        self.invoices = LoggedTable(self.log, "invoices", decode_invoice)
        self.endpoints = LoggedTable(self.log, "endpoints", decode_endpoints)
        self.deliveries = LoggedTable(self.log, "deliveries", decode_delivery)
        self.pending = Pending(self.deliveries, counters=self.deliveries.view(decode_counter))
        self.lanes = FakeLanes(lambda key: self.pending.get(key) is not None)
        self.deadlines = self._new_deadlines()
        self._processes = (
            Process(
                topic=REFERENCES.name,
                step=resolving(references=self.references),
                log=self.log,
                durability=make_durability(self.log),
                tables=(self.references,),
            ),
            Process(
                topic=INVOICES.name,
                step=settling(invoices=self.invoices, watch=self._watch),
                log=self.log,
                durability=make_durability(self.log),
                tables=(self.invoices,),
                restarted=self._watch_again,
            ),
            Process(
                topic=NOTIFICATIONS.name,
                step=notifying(endpoints=self.endpoints, pending=self.pending, lanes=self.lanes),
                log=self.log,
                durability=make_durability(self.log),
                tables=(self.endpoints, self.deliveries),
                restarted=self._offer_again,
            ),
        )

    def rows_pending(self) -> list[Delivery]:
        """What stands in the table beside its counters."""
        keys = [key for key in self.deliveries if not key.startswith(b"#")]
        return [self.deliveries[key] for key in keys]

    # --- one thing happens

    def turn(self) -> None:
        """Let one process do one thing, and perhaps crash it; some seconds go by."""
        seconds = self.random.randrange(SECONDS_PER_TURN_MAX)
        self.now += timedelta(seconds=seconds, microseconds=1)  # no two attempts are one
        process = self.random.choice(self._processes)
        if self.is_unwell and self.random.random() < self.crashes_per_turn:
            self.crash_count += 1
            process.restart()
        match self.random.choice(["read", "read", "harden", "harden", "harden", "send", "tick"]):
            case "read":
                process.read_one(self.random)
            case "harden":
                process.durability.harden_one(self.random)
            case "send":
                self._send()
            case _:
                self._tick()

    def settle_down(self) -> None:
        """No more crashes, everyone answers: let everything come to rest, however long it takes."""
        self.is_unwell = False
        self.now += timedelta(microseconds=1)  # no attempt is at the time of the last failure
        while self._work():
            pass
        self.now += A_LONG_TIME
        while self._work() or self._wait_for_a_retry():
            pass

    def _work(self) -> bool:
        moved = [
            process.read_one(self.random) or process.durability.harden_one(self.random)
            for process in self._processes
        ]
        return any([*moved, self._send(), self._tick()])

    def _wait_for_a_retry(self) -> bool:
        due_at = self.lanes.next_due_at()
        if due_at is None:
            return False
        self.now = max(self.now, due_at)
        return True

    def _someones_clock(self) -> datetime:
        return self.now - timedelta(seconds=self.random.randrange(CLOCKS_DIFFER_BY_SECONDS))

    # --- the lanes and the deadlines

    def _send(self) -> bool:
        due = self.lanes.due(self.now)
        if not due:
            return False
        delivery = self.random.choice(due)
        del self.lanes.waiting[delivery.delivery_id]
        code = self.random.choice(ANSWERS) if self.is_unwell else 200
        if code == 200:
            self.received.append(delivery)
        if self.is_unwell and self.random.random() < CRASHES_AFTER_SENDING:
            self.crash_count += 1
            self._processes[2].restart()
        else:
            self.log.append(
                [record(NOTIFICATIONS, delivery.merchant_id, self._made(delivery, code))]
            )
        return True

    def _made(self, delivery: Delivery, code: int | None) -> AttemptMade:
        is_released = code == 200 and self.random.random() < RELEASED_AT_ONCE
        attempt = Attempt(
            number=delivery.attempts + 1,
            at=self.now,
            duration_ms=1,
            status_code=code,
            released_at=self.now if is_released else None,
        )
        return AttemptMade(
            merchant_id=delivery.merchant_id,
            delivery_id=delivery.delivery_id,
            attempt=attempt,
            fraction=self.random.random(),
            first_attempt_at=delivery.first_attempt_at or self.now,
            round=delivery.round,
            endpoint_id=delivery.endpoint_id,
            created_at=delivery.created_at,
            sequence=delivery.sequence,
            event_id=delivery.notification_id,
            tellings=delivery.tellings,
            ack_seconds=ack_seconds(delivery, self.lanes.endpoints[delivery.endpoint_id]),
        )

    def _offer_again(self) -> None:
        self.lanes.crash()
        for row in self.endpoints.values():
            for endpoint in row:
                self.lanes.set_endpoint(endpoint)
        for delivery in self.rows_pending():
            self.lanes.offer(delivery)

    def _tick(self) -> bool:
        self._look_ahead()
        ticks = self.deadlines.due()
        self.log.append(ticks)
        return bool(ticks)

    def _new_deadlines(self) -> Deadlines:
        async def publish(_records: object) -> None:
            raise AssertionError("the world sends the ticks itself")

        return Deadlines(publish=publish, is_open=self._is_open, clock=lambda: self.now)

    def _is_open(self, invoice_id: InvoiceId) -> bool:
        invoice = self.invoices.get(invoice_id.encode())
        return invoice is not None and awaits_deadline(state_of(invoice.terms, invoice.journal))

    def _watch(self, invoice_id: InvoiceId, merchant_id: MerchantId, deadline: datetime) -> None:
        self.deadlines.watch(invoice_id, merchant_id, deadline)

    def _watch_again(self) -> None:
        self.deadlines = self._new_deadlines()

    def _look_ahead(self) -> None:
        stretch = self.deadlines.stretch()
        if stretch is None:
            return
        for invoice in self.invoices.values():
            terms = invoice.terms
            if terms.deadline in stretch and self._is_open(terms.invoice_id):
                self.deadlines.watch(terms.invoice_id, terms.merchant_id, terms.deadline)
