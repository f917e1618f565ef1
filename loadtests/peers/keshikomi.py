"""keshikomi itself: an event is a signed notice of a payment, whose invoice was registered before.

A merchant for each endpoint. The product is started for the session, on files, as anyone gets it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from loadtests.engines import Engines
from loadtests.merchants import Merchant
from loadtests.peers.peer import Endpoint, Events
from loadtests.receiving import Receiving
from loadtests.registering import register
from loadtests.truth import faults
from loadtests.world import ENVIRONMENT, World
from ops.demo_product import Product, start
from streams.clock import system_clock

DUE = timedelta(days=30)


class Keshikomi:
    """The product of this repository."""

    name = "keshikomi"
    does = "takes a notice, verifies it, stores it, matches it to its invoice, settles, sends"
    can_be_killed = True

    def __init__(self, folder: Path) -> None:
        self._data = folder / "keshikomi"
        self._made: World | None = None
        self._merchants: dict[str, Merchant] = {}
        self._paid_at = system_clock().isoformat()

    @property
    def _world(self) -> World:
        assert self._made is not None, "not started"
        return self._made

    @property
    def product(self) -> Product:
        """The running product."""
        return self._world.product

    @property
    def port(self) -> int:
        """Where its API answers."""
        return self.product.port

    async def start(self, receiver: Receiving) -> None:
        """Start the product and wait until it is ready."""
        product = await start(self._data, environment={**os.environ, **ENVIRONMENT})
        self._made = World(product=product, receiver=receiver, engines=Engines())
        await product.wait_ready()

    async def add_endpoint(self, path: str) -> Endpoint:
        """Make a merchant with one channel account and one endpoint for paid invoices."""
        merchant = await self._world.add_merchant(path)
        self._merchants[path] = merchant
        return Endpoint(
            path=path,
            key=merchant.merchant_id,
            secret=merchant.endpoint_secret,
            accepted=merchant.accepted,
            uncertain=merchant.uncertain,
        )

    async def prepare(self, events: Events) -> None:
        """Register the invoices that the notices will pay, and let the product come to rest."""
        due_at = (system_clock() + DUE).isoformat()
        requests = [
            self._merchants[endpoint.path].invoice_request(reference, due_at)
            for endpoint, reference in events
        ]
        await register(self._world, requests)
        await self._world.quiet()

    def event(self, endpoint: Endpoint, reference: str) -> bytes:
        """The signed notice of the payment."""
        return self._merchants[endpoint.path].notice_request(reference, self._paid_at)

    def processes(self) -> Mapping[str, int]:
        """The supervisor, below which all others are."""
        return {"server": self.product.process.pid}

    async def quiet(self) -> None:
        """Wait until every stage, the archiver too, has read everything."""
        await self._world.quiet()

    async def kill(self) -> None:
        """End all of its processes by SIGKILL: the others go with the supervisor."""
        await self.product.stop(signal.SIGKILL)

    async def restart(self) -> None:
        """Start it again on the same files and port."""
        was = self.product
        self._world.product = await start(was.data, environment=was.environment, port=was.port)

    async def faults(self, *, repeats_allowed: bool) -> list[str]:
        """What feeds, lists of deliveries and the audit say that is not true."""
        await self.product.wait_ready()
        return await faults(self._world, repeats_allowed=repeats_allowed)

    async def close(self) -> None:
        """End the product."""
        if self._made is not None:
            await self._world.client.close()
            await self.product.stop()
