"""Outages that end with their block, whatever becomes of it: the next test finds servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ops.stack.__main__ import bring_up
from ops.stack.server import Server, Startable


@asynccontextmanager
async def killed(server: Startable) -> AsyncIterator[None]:
    """The server is dead (SIGKILL) within the block; after it, it is usable with its old data."""
    await asyncio.to_thread(server.kill)
    try:
        yield
    finally:
        await asyncio.to_thread(bring_up, server)


@asynccontextmanager
async def frozen(server: Server) -> AsyncIterator[None]:
    """The server's clock stands (SIGSTOP) within the block; after it, it is usable again."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()
        await asyncio.to_thread(server.wait_usable)
