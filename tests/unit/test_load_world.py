"""What a load on the product cost counts until its last stage has done its part."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

from loadtests.arrivals import Checked
from loadtests.engines import Engines
from loadtests.generator import Answered
from loadtests.merchants import Merchant
from loadtests.processes import usage
from loadtests.world import World

ARCHIVED_SECONDS = 0.1


class Answers:
    """A connection to a product that accepts at once."""

    starved = 0

    async def open(self) -> None: ...

    def fire(self, request: bytes, answered: Answered) -> None:
        answered(202, b"", 0)


def cpu_seconds() -> float:
    used = usage(os.getpid())
    assert used is not None
    return used.cpu_seconds


class Told(World):
    """A product that has told everybody at once, and has still to archive it."""

    async def _told(self) -> None: ...

    async def new_arrivals(self) -> list[Checked]:
        return []

    def processes(self) -> dict[str, int]:
        return {"archiver": os.getpid()}

    async def quiet(self) -> float:
        until = cpu_seconds() + ARCHIVED_SECONDS
        while cpu_seconds() < until:
            pass
        return ARCHIVED_SECONDS


def a_world() -> Told:
    product: Any = SimpleNamespace(port=1)
    receiver: Any = SimpleNamespace(pid=os.getpid())
    made = Told(product=product, receiver=receiver, engines=Engines())
    made.client = Answers()  # type: ignore[assignment]  # all that a load asks of it
    merchant = Merchant(
        path="/ok/0",
        merchant_id="mer_0",
        api_key="k",
        account_id="acc_0",
        endpoint_id="ep_0",
        notice_path="/n",
        channel_secret="s",
        endpoint_secret="whsec_",
    )
    made.bills(2, [merchant])
    return made


async def test_cpu_counts_until_the_archiver_has_read_everything() -> None:
    load = await a_world().load(1_000, 0.002)

    assert load.watch.cpu_seconds["archiver"] >= ARCHIVED_SECONDS
    assert load.drained_seconds < ARCHIVED_SECONDS
