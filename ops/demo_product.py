"""Runs the whole product as a child process, as anyone would start it, until the block ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from ops.settings import SUPERVISED_BY
from streams.clock import monotonic_seconds

HOST = "127.0.0.1"
READY_PAUSE_SECONDS = 0.02
READY_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 30.0
LOG_TAIL_CHARACTERS = 4_000


class ProductFailed(RuntimeError):
    """The product did not start, or ended by itself; the message has the end of its log."""


@dataclass(slots=True, kw_only=True)
class Product:
    """A running `keshikomi up`."""

    process: asyncio.subprocess.Process
    data: Path
    port: int
    log_path: Path
    began: float
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        """Where its API answers."""
        return f"http://{HOST}:{self.port}"

    def log_tail(self) -> str:
        """The last lines that it logged."""
        return self.log_path.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]

    async def wait_ready(self, seconds_max: float = READY_SECONDS_MAX) -> float:
        """Wait so long at most until it says that it is ready; returns the seconds since its start.

        Raises:
            ProductFailed: it is not ready by then, or has ended.
        """
        until = monotonic_seconds() + seconds_max
        while monotonic_seconds() < until:
            if self.process.returncode is not None:
                break
            if await _status(self.port, "/readyz") == 200:  # noqa: PLR2004  # OK, in HTTP
                return monotonic_seconds() - self.began
            await asyncio.sleep(READY_PAUSE_SECONDS)
        raise ProductFailed(f"the product is not ready; its log ends:\n{self.log_tail()}")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        try:
            return await asyncio.wait_for(self.process.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise ProductFailed(f"the product did not end; log:\n{self.log_tail()}") from None

    async def audit(self) -> dict[str, object]:
        """What `keshikomi audit` says, with its exit status."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", "audit", "--json"),
            env={**self.environment, "KESHIKOMI_DATA": str(self.data)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        try:
            said = orjson.loads(out)
        except orjson.JSONDecodeError:
            said = {"output": (out + err).decode(errors="replace")}
        return {**said, "exit_status": process.returncode}


@asynccontextmanager
async def running(
    data: Path, *, environment: Mapping[str, str], port: int | None = None
) -> AsyncIterator[Product]:
    """Start the product on a data directory and a free port; it is ended with the block."""
    product = await start(data, environment=environment, port=port)
    try:
        yield product
    finally:
        await product.stop()


async def start(data: Path, *, environment: Mapping[str, str], port: int | None = None) -> Product:
    """Start the product; whoever calls this ends it."""
    port = port or free_port()
    began = monotonic_seconds()
    log_path = data.with_suffix(".log")
    with log_path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", "up", "--data", str(data), "--port", str(port)),
            # Should we be killed, it must not stay behind.
            env={**environment, SUPERVISED_BY: str(os.getpid())},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end it in order
        )
    return Product(
        process=process,
        data=data,
        port=port,
        log_path=log_path,
        began=began,
        environment=environment,
    )


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def _status(port: int, path: str) -> int:
    """The status of a GET, or 0 while nobody answers."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return 0
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        first = await reader.readline()
        return int(first.split()[1]) if first.startswith(b"HTTP/") else 0
    except OSError:
        return 0
    finally:
        writer.close()
