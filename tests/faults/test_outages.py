"""An outage that a test makes is over when the test fails: the tests after it find servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from ops.stack.redis import RedisServer
from tests.faults.outages import frozen, killed

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("outage", [killed, frozen])
async def test_a_server_is_back_when_the_block_of_its_outage_fails(
    redis_server: RedisServer,
    outage: Callable[[RedisServer], AbstractAsyncContextManager[None]],
) -> None:
    async def fails() -> None:
        async with outage(redis_server):
            assert not await asyncio.to_thread(redis_server.answers)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()

    assert await asyncio.to_thread(redis_server.answers)
