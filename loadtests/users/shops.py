"""Shops: they register invoices while the load runs, wait on them, and read their pull feeds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import gevent  # type: ignore[import-untyped]  # it has no types of its own
import orjson
from locust import task

from loadtests.schedule import LEAD_SECONDS, Payment
from loadtests.users.connections import Answer
from loadtests.users.open_loop import ORDERS, SCHEDULE, OpenLoopUser

WAIT_SECONDS = 30
WAITS_MAX = 8_192
"""A shop holds a connection for each invoice from its registration until it is paid."""
REGISTERED = {200, 201}
OK = 200
PAGE = 250
PATIENCE_NS = 25_000_000_000
"""A shop asks again until its invoice should have been paid for so long."""
READ_WAIT_SECONDS = 1
SETTLED = {"paid", "overpaid"}


class Shop(OpenLoopUser):
    """Registers invoices some seconds before they are paid, and asks each with `?wait=`."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._waits = self.connections(WAITS_MAX)

    @task
    def sell(self) -> None:
        """Register every invoice in this user's share on schedule."""
        mine = (
            (payment.at_seconds - LEAD_SECONDS, payment)
            for payment in SCHEDULE.live
            if self.is_mine(payment.number)
        )
        self.leave_on_time(mine, self._prepare)
        self.finish()

    def _prepare(self, payment: Payment) -> Callable[[int], None]:
        key = {"Authorization": f"Bearer {self.orders.account(payment).api_key}"}
        headers = {"Content-Type": "application/json", **key}
        body = orjson.dumps(self.orders.invoice(payment))

        def start(intended_ns: int) -> None:
            answer = self.insist(
                "invoice registered",
                lambda: self.ask("POST", "/v1/invoices", headers, body),
                lambda answer: answer.status in REGISTERED,
                what="invoice",
                number=payment.number,
                intended_ns=intended_ns,
            )
            if answer is not None:
                self._wait(payment, orjson.loads(answer.body)["id"], key)

        return start

    def _wait(self, payment: Payment, invoice_id: str, key: dict[str, str]) -> None:
        """Wait until the invoice is paid; counts from the time at which the notice must leave."""
        due_ns = self.begin_ns + int(payment.at_seconds * 1e9)
        path = f"/v1/invoices/{invoice_id}?wait={WAIT_SECONDS}&status_was=open"
        sent_ns = time.perf_counter_ns()
        is_paid, answer, waited_ns = False, Answer(OK, b""), 0
        while not is_paid and answer.status == OK and time.perf_counter_ns() < due_ns + PATIENCE_NS:
            answer = self._waits.ask("GET", path, key)
            waited_ns += answer.waited_ns
            is_paid = answer.status == OK and orjson.loads(answer.body)["status"] in SETTLED
        self.note(
            "shop waited",
            answer._replace(waited_ns=waited_ns),
            what="wait",
            number=payment.number,
            intended_ns=due_ns,
            sent_ns=sent_ns,
            is_good=is_paid,
        )


class Reader(OpenLoopUser):
    """Follows the pull feeds of the largest merchants, page by page."""

    @task
    def read(self) -> None:
        """Read until everything was sent, and a little longer."""
        for place, reading in enumerate(ORDERS.readings):
            if self.is_mine(place):
                self._under_way.spawn(self._follow, reading.merchant, reading.api_key)
        self.finish()

    def _follow(self, merchant: int, api_key: str) -> None:
        last = max((notice.at_seconds for notice in SCHEDULE.notices), default=0.0)
        end_ns = self.begin_ns + int((last + READ_WAIT_SECONDS) * 1e9)
        cursor, headers = "", {"Authorization": f"Bearer {api_key}"}
        while (asked_ns := time.perf_counter_ns()) < end_ns:
            after = f"&after={quote(cursor)}" if cursor else ""
            path = f"/v1/events?limit={PAGE}&wait={READ_WAIT_SECONDS}{after}"
            answer = self.ask("GET", path, headers)
            status = answer.status
            page = orjson.loads(answer.body) if status == OK else {"data": [], "next": None}
            cursor = page["next"] or cursor
            self.note(
                "pull feed",
                answer,
                what="read",
                number=merchant,
                intended_ns=asked_ns,
                sent_ns=asked_ns,
                is_good=status == OK,
                ids=tuple(event["id"] for event in page["data"]),
            )
            if status != OK:
                gevent.sleep(READ_WAIT_SECONDS)
