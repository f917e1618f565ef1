"""The whole product on the embedded engines, among variables that are meant for other programs."""

from __future__ import annotations

import os
from pathlib import Path

import aiohttp
import pytest

from ops.demo_product import free_port, start
from tests.faust_variables import VARIABLES, other_value
from tests.integration.product_world import World, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

READ_AT_IMPORT = {
    "FAUST_LOOP": "a.loop.that.is.not.there",
    "FAUST_STRICT": "1",
    "FAUST_WEB_PORT": "tcp://10.0.0.1:6066",
    "F_CONSOLE_PORT": "tcp://10.0.0.1:50101",
    "NO_CYTHON": "1",
}
"""The last is for builds; the others end a process that imports Faust, at once or later."""


async def test_a_payment_goes_through_among_variables_that_faust_would_heed(tmp_path: Path) -> None:
    # With a prefix Faust would look for other names than these.
    hostile = {name: other_value(name) for name in VARIABLES if name != "APP_ENV_PREFIX"}
    ours = {"KESHIKOMI_ALLOW_PRIVATE_ENDPOINTS": "true"}
    product = await start(
        tmp_path / "data",
        environment={**os.environ, **hostile, **READ_AT_IMPORT, **ours},
        port=free_port(),
    )
    try:
        await product.wait_ready()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http:
            world = World(http, product.url, tmp_path / "data")
            async with world.receiver.running():
                merchant = await world.merchant("a")
                await world.bill(merchant, "billed")
                await world.pay(merchant, "billed")

                async def told() -> bool:
                    return merchant.paid_numbers() == {"billed"}

                await until(told)
    finally:
        assert await product.stop() == 0, product.log_tail()
