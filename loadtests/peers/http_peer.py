"""A peer that runs already and is known by its URL: what Svix and Outpost have in common."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from loadtests.generator import Client, http_request
from loadtests.peers.peer import Events, port_of
from loadtests.receiving import Receiving
from loadtests.refusing import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What the operator says of a peer that he has started.

    `pids` are files with a process id each: first the server, then what it stands on. `command`
    starts the server again in the background after it was killed, and writes the first file anew.
    """

    url: str
    token: str
    pids: tuple[Path, ...] = ()
    command: str = ""


class HttpPeer:
    """A peer with an HTTP API on this machine."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client = Client(port_of(address.url), connections_max=2)
        self._receiver_port = 0

    @property
    def port(self) -> int:
        """Where its API answers."""
        return port_of(self._address.url)

    async def start(self, receiver: Receiving) -> None:
        """Remember the receiver; the server runs already."""
        self._receiver_port = receiver.port

    async def prepare(self, events: Events) -> None:
        """Nothing: an event needs nothing but its endpoint."""

    async def quiet(self) -> None:
        """Nothing: it does not say what it has still to do."""

    def url_of(self, path: str) -> str:
        """The address of an endpoint at this path of the receiver."""
        return f"http://127.0.0.1:{self._receiver_port}{path}"

    def request(self, method: str, path: str, body: bytes) -> bytes:
        """A request with the token of the operator."""
        headers = {
            "Authorization": f"Bearer {self._address.token}",
            "Content-Type": "application/json",
        }
        return http_request(method, path, body, headers)

    async def call(self, method: str, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """One call that must succeed.

        Raises:
            Refused: it was answered otherwise, or not at all.
        """
        status, answer = await self._client.ask(self.request(method, path, orjson.dumps(body)))
        if not 200 <= status < 300:  # noqa: PLR2004  # success in HTTP
            raise Refused(status, f"{method} {path}: {status} {answer.decode()[:500]}")
        said: dict[str, Any] = orjson.loads(answer)
        return said

    def processes(self) -> Mapping[str, int]:
        """The processes that the operator named, those that run."""
        names = ["server", *(f"below {number}" for number in range(1, len(self._address.pids)))]
        return {
            name: pid
            for name, file in zip(names, self._address.pids, strict=False)
            if (pid := _pid_in(file))
        }

    @property
    def can_be_killed(self) -> bool:
        """Whether the operator said how to end it and start it again."""
        return bool(self._address.pids and self._address.command)

    async def kill(self) -> None:
        """End the server by SIGKILL."""
        os.kill(self.processes()["server"], signal.SIGKILL)

    async def restart(self) -> None:
        """Start it again by the command of the operator, which ends and leaves it running.

        Raises:
            RuntimeError: the command failed.
        """
        process = await asyncio.create_subprocess_shell(
            self._address.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        if await process.wait():
            raise RuntimeError(f"{self._address.command} ended with {process.returncode}")

    async def faults(self, *, repeats_allowed: bool) -> list[str]:
        """Nothing: what the receiver saw is all that is judged."""
        return []

    async def close(self) -> None:
        """Leave it running, as it was found."""
        await self._client.close()


def _pid_in(file: Path) -> int:
    """The process id in the first line of a file, or 0."""
    lines = file.read_text().split() if file.exists() else []
    return int(lines[0]) if lines and lines[0].isdigit() else 0
