"""Nobody is said not to have been told, or counted as told, before all has come that will."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from connectors.signing import sign
from loadtests.arrivals import Arrival, Checked, checked, read_dump, wall_offset_ns
from loadtests.engines import Engines
from loadtests.generator import Answered, Client
from loadtests.merchants import IN_FEED, Merchant
from loadtests.receiving import Receiving
from loadtests.truth import faults
from loadtests.world import World
from ops.demo_product import Product

KEY = b"k" * 32
SECRET = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
AT = "2026-11-30T03:00:00Z"
FIRST, SECOND, UNANSWERED = "ORD-0000001", "ORD-0000002", "ORD-0000003"


def a_merchant() -> Merchant:
    return Merchant(
        path="/ok/a",
        merchant_id="mer_1",
        api_key="k",
        endpoint_id="ep_1",
        endpoint_secret=SECRET,
        account_id="acc_1",
        notice_path="/n",
        channel_secret="s",
    )


def payload(kind: str, reference: str) -> dict[str, Any]:
    invoice = {"invoice_number": reference, "status": "paid", "paid_yen": 12_800, "excess_yen": 0}
    payment = {"reference": reference, "amount_yen": 12_800}
    data = {"payment": payment, "invoice": invoice, "settlement": {"outcome": "matched"}}
    return {"type": kind, "timestamp": AT, "data": data}


def an_arrival(reference: str) -> Arrival:
    """The webhook of a paid invoice, signed now; it came as the monotonic clock began."""
    body = orjson.dumps(payload("invoice.paid", reference))
    webhook_id, at = f"evt_{reference}_invoice.paid", wall_offset_ns() // 1_000_000_000
    line = {
        "path": "/ok/a",
        "ns": 0,
        "status": 200,
        "webhook-id": webhook_id,
        "webhook-timestamp": str(at),
        "webhook-signature": sign(KEY, webhook_id, at, body),
        "body": body.decode(),
    }
    (arrival,) = read_dump(orjson.dumps(line))
    return arrival


class Retrying:
    """A world whose one webhook is tried again, and comes between two looks at its delivery."""

    def __init__(self) -> None:
        self.client, self.untaken = SimpleNamespace(curt=0), 0
        self.product = self
        self.arrivals: list[Checked] = []
        self.looks = 0

    async def quiet(self) -> None: ...

    async def new_arrivals(self) -> None:
        if self.looks > 1 and not self.arrivals:
            self.arrivals.append(checked(an_arrival(FIRST), SECRET, wall_offset_ns()))

    async def audit(self) -> Mapping[str, Any]:
        return {"exit_status": 0, "counts": {"accepted": 1}}

    async def patient_call(self, path: str, _key: str) -> Mapping[str, Any]:
        if path.startswith("/v1/deliveries"):
            self.looks += 1
            return {"data": [self._delivery()], "next": None}
        rows = [
            {"id": f"evt_{FIRST}_{kind}", "type": kind, "payload": payload(kind, FIRST)}
            for kind in sorted(IN_FEED, reverse=True)
        ]
        return {"data": [] if "after=" in path else rows, "next": "all"}

    def _delivery(self) -> Mapping[str, Any]:
        attempts = [{"at": AT, "status_code": 503}, {"at": AT, "status_code": 200}]
        return {
            "id": "dlv_1",
            "event_id": f"evt_{FIRST}_invoice.paid",
            "endpoint_id": "ep_1",
            "created_at": AT,
            "status": "delivered" if self.looks > 1 else "pending",
            "attempts": attempts[: self.looks],
        }


async def test_what_came_by_a_later_attempt_was_told() -> None:
    world, merchant = Retrying(), a_merchant()
    merchant.accepted.append(FIRST)

    assert await faults(cast("World", world), [merchant]) == []
    assert world.looks > 1


class Answers:
    """A product that takes all but one notice."""

    starved = 0

    def __init__(self, otherwise: int = 0) -> None:
        self._otherwise = otherwise

    async def open(self) -> None: ...

    def fire(self, request: bytes, answered: Answered) -> None:
        answered(self._otherwise if UNANSWERED.encode() in request else 202, b"", 0)


class Trickle:
    """A receiver that has one group more each time that it is asked what came."""

    pid = os.getpid()

    def __init__(self, *groups: list[Arrival]) -> None:
        self._groups, self._have = list(groups), list[Arrival]()

    async def served(self) -> Mapping[str, int]:
        return {"/ok/a": 2}

    async def counts(self) -> Mapping[str, int]:
        return await self.served()

    async def arrivals(self, first: int) -> AsyncIterator[Arrival]:
        self._have += self._groups.pop(0) if self._groups else []
        for arrival in self._have[first:]:
            yield arrival


class Quiet(World):
    """Its product has read everything."""

    async def quiet(self) -> float:
        return 0.0


def a_world(receiver: Trickle, *, answers: int = 0, broker: str = "") -> World:
    """A merchant with three invoices that are to be paid."""
    process = SimpleNamespace(pid=os.getpid())
    world = Quiet(
        product=cast("Product", SimpleNamespace(port=1, process=process)),
        receiver=cast("Receiving", receiver),
        engines=Engines(environment={"KESHIKOMI_BROKER": broker} if broker else {}),
    )
    world.client = cast("Client", Answers(answers))
    world.merchants.append(a_merchant())
    world.bills(3)
    return world


async def test_a_load_waits_for_what_was_accepted_beside_what_came_without_an_answer() -> None:
    receiver = Trickle([an_arrival(UNANSWERED), an_arrival(FIRST)], [], [an_arrival(SECOND)])
    world = a_world(receiver)

    load = await world.load(1_000, 0.003)

    assert world.merchants[0].accepted == [FIRST, SECOND]
    assert load.arrivals.keys() == {FIRST, SECOND, UNANSWERED}
    assert world.untaken == 1


@pytest.mark.parametrize(
    ("answers", "broker", "uncertain"),
    [
        (503, "", []),
        (503, "kafka://127.0.0.1:9092", [UNANSWERED]),
        (429, "kafka://127.0.0.1:9092", []),
    ],
)
async def test_what_kafka_refused_may_be_told(
    answers: int, broker: str, uncertain: list[str]
) -> None:
    receiver = Trickle([an_arrival(FIRST), an_arrival(SECOND)])
    world = a_world(receiver, answers=answers, broker=broker)

    await world.load(1_000, 0.003)

    (merchant,) = world.merchants
    assert (merchant.accepted, merchant.uncertain) == ([FIRST, SECOND], uncertain)
