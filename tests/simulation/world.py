"""A small world of invoices, channels, merchants and crashes, driven by one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from agents.deadlines import Deadlines
from agents.notifying import notifying
from agents.resolving import resolving
from agents.settling import settling
from agents.step import record
from streams.codecs import (
    decode_delivery,
    decode_endpoints,
    decode_invoice,
    decode_reference_row,
)
from streams.domain.delivery import Attempt, Delivery, Endpoint
from streams.domain.ids import DeliveryId, EndpointId, InvoiceId
from streams.domain.invoice import Invoice, state_of
from streams.domain.resolution import ReferenceRow
from streams.domain.settlement import awaits_deadline
from streams.messages import AttemptMade
from streams.ports import Record
from streams.topics import INVOICES, NOTIFICATIONS, REFERENCES
from tests.builders import NOW
from tests.simulation.fake_log import Durability, FakeLog
from tests.simulation.processes import FakeLanes, LoggedTable, Process

CRASHES_PER_TURN = 0.02
CLOCKS_DIFFER_BY = timedelta(seconds=5)

Answers = Callable[[Random], int | None]


def unreliable(random: Random) -> int | None:
    """The status code of a receiver that fails now and then, or no answer at all."""
    return random.choice([200, 200, 200, 500, 503, None, None, 410])


def healthy(_random: Random) -> int | None:
    return 200


@dataclass
class World:
    """Everything outside the log, and the turns in which it moves."""

    random: Random
    make_durability: Callable[[FakeLog], Durability]
    crashes: float = CRASHES_PER_TURN
    now: datetime = NOW
    answers: Answers = unreliable
    received: list[tuple[DeliveryId, str, str]] = field(default_factory=list)
    crash_count: int = 0

    def __post_init__(self) -> None:
        self.log = FakeLog()
        self.references: LoggedTable[ReferenceRow] = self._table("r", decode_reference_row)
        self.invoices: LoggedTable[Invoice] = self._table("i", decode_invoice)
        self.endpoints: LoggedTable[tuple[Endpoint, ...]] = self._table("e", decode_endpoints)
        self.deliveries: LoggedTable[Delivery] = self._table("d", decode_delivery)
        self.lanes, self.deadlines = FakeLanes(), self._new_deadlines()
        self.processes = [
            self._process(REFERENCES.name, resolving(references=self.references), self.references),
            self._process(
                INVOICES.name,
                settling(invoices=self.invoices, watch=lambda *due: self.deadlines.watch(*due)),
                self.invoices,
                restarted=self._watch_again,
            ),
            self._process(NOTIFICATIONS.name, self._notifying(), self.endpoints, self.deliveries),
        ]
        self.processes[2].restarted = self._offer_again

    def _table(self, name: str, decode: Callable[[bytes], object]) -> LoggedTable:
        return LoggedTable(self.log, name, decode)

    def _process(self, topic, step, *tables, restarted=lambda: None) -> Process:
        return Process(
            topic=topic,
            step=step,
            log=self.log,
            durability=self.make_durability(self.log),
            tables=tables,
            restarted=restarted,
        )
