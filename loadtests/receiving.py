"""The receiver of webhooks as a process of its own, and what it says of what came."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping

import orjson

from loadtests.arrivals import Arrival, read_dump
from loadtests.busy import Mood
from loadtests.generator import Client, http_request
from loadtests.refusing import Refused
from ops.settings import SUPERVISED_BY

OK = 200


class Receiving:
    """A running `loadtests.sink`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port
        self._client = Client(port, connections_max=2)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    async def arrivals(self, first: int) -> AsyncIterator[Arrival]:
        """What came from this place on, page by page."""
        while lines := await self._ask("GET", f"/dump/{first}"):
            page = read_dump(lines)
            first += len(page)
            for arrival in page:
                yield arrival

    async def new_arrivals(self, first: int) -> list[Arrival]:
        """The same, all in memory."""
        return [arrival async for arrival in self.arrivals(first)]

    async def counts(self) -> Mapping[str, int]:
        """How many webhooks came, by path."""
        return await self._figures("/count")

    async def served(self) -> Mapping[str, int]:
        """How many different ones were answered by success, by path."""
        return await self._figures("/served")

    async def most(self) -> Mapping[str, int]:
        """The most requests at once that a busy server had since it changed its mood, by path."""
        return await self._figures("/most")

    async def change(self, mood: Mood) -> None:
        """What all busy servers do from now on."""
        await self._ask("POST", f"/mood/{mood}")

    async def close(self) -> None:
        """End it."""
        await self._client.close()
        self.process.terminate()
        await self.process.wait()

    async def _figures(self, path: str) -> Mapping[str, int]:
        figures: Mapping[str, int] = orjson.loads(await self._ask("GET", path))
        return figures

    async def _ask(self, method: str, path: str) -> bytes:
        status, answer = await self._client.ask(http_request(method, path))
        if status != OK:
            raise Refused(status, f"the receiver answered {method} {path} with {status}")
        return answer


async def start_receiving(port: int = 0) -> Receiving:
    """Start a receiver; 0 takes any free port. Whoever calls this closes it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.sink", "--port", str(port)),
        env={**os.environ, SUPERVISED_BY: str(os.getpid())},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    return Receiving(process, int(await process.stdout.readline()))
