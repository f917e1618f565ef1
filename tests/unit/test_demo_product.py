"""Whoever waits for a product waits from when they ask, however old it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ops.demo_product import READY_SECONDS_MAX, Product, ProductFailed
from streams.clock import monotonic_seconds

LONG_AGO_SECONDS = 10 * READY_SECONDS_MAX


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[Product]:
    """A process that has run for long, and says that it is ready the second time it is asked."""
    asked = []

    async def readyz(_request: web.Request) -> web.Response:
        asked.append(True)
        return web.Response(status=200 if len(asked) > 1 else 503)

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    server = TestServer(app)
    await server.start_server()
    process = await asyncio.create_subprocess_exec("sleep", "60")
    log = tmp_path / "product.log"
    log.touch()
    assert server.port is not None
    product = Product(
        process=process,
        data=tmp_path,
        port=server.port,
        log_path=log,
        began=monotonic_seconds() - LONG_AGO_SECONDS,
        environment={},
    )
    yield product
    await product.stop()
    await server.close()


async def test_the_wait_for_a_product_counts_from_the_call(old: Product) -> None:
    assert await old.wait_ready() == pytest.approx(LONG_AGO_SECONDS, abs=60)


async def test_a_product_that_has_ended_is_not_waited_for(old: Product) -> None:
    await old.stop()

    with pytest.raises(ProductFailed, match="not ready"):
        await old.wait_ready()
