"""Locust as processes of its own: one, or a master with workers, with or without its web page.

Locust replaces the sockets and threads of the process that imports it, so nothing else does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.orders import VARIABLE, Orders, write_orders
from ops.demo_product import free_port
from ops.settings import SUPERVISED_BY

ROOT = Path(__file__).parents[1]
LOCUSTFILE = ROOT / "loadtests" / "users" / "locustfile.py"
USERS = ("Generic", "Gmo", "Sbps", "Dsk", "Shop", "Reader")
SPAWN_RATE = 1_000
STOP_SECONDS_MAX = 20.0
LOG_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The processes that make a load, the one that leads them first."""

    processes: Mapping[str, asyncio.subprocess.Process]
    log: Path
    users: int

    @property
    def has_ended(self) -> bool:
        """Whether one of them is gone, so that not everything will be sent."""
        return any(each.returncode is not None for each in self.processes.values())

    def pids(self) -> dict[str, int]:
        """The processes by name."""
        return {name: each.pid for name, each in self.processes.items()}

    def said(self) -> str:
        """The end of what they logged."""
        return self.log.read_text(errors="replace")[-LOG_CHARACTERS:]

    async def stop(self) -> None:
        """End the leader, and with it the others."""
        for process in self.processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
            except TimeoutError:
                process.kill()
                await process.wait()


@asynccontextmanager
async def crew(orders: Orders, *, web_port: int | None) -> AsyncIterator[Crew]:
    """Start Locust with these orders; it is ended with the block."""
    environment = {
        **os.environ,
        VARIABLE: str(write_orders(orders)),
        SUPERVISED_BY: str(os.getpid()),
    }
    log = orders.folder / "locust.log"
    started: dict[str, asyncio.subprocess.Process] = {}
    made = Crew(processes=started, log=log, users=len(USERS) * orders.workers)
    try:
        for name, arguments in _commands(orders, made.users, web_port).items():
            with log.open("ab") as output:
                started[name] = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), *arguments),
                    cwd=ROOT,
                    env=environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C reaches us alone, and we end it in order
                )
        yield made
    finally:
        await made.stop()


def _commands(orders: Orders, users: int, web_port: int | None) -> dict[str, Sequence[str]]:
    """The arguments of each process, by its name."""
    everywhere = ("--loglevel", "WARNING", "--exit-code-on-error", "0")
    leading = (
        *everywhere,
        *("--host", f"http://127.0.0.1:{orders.port}"),
        *("--users", str(users), "--spawn-rate", str(SPAWN_RATE)),
        *(("--headless", "--only-summary") if web_port is None else _web(web_port)),
    )
    if orders.workers == 1:
        return {"generator": leading}
    port = str(free_port())
    bound = ("--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    master = ("--master", *bound, "--expect-workers", str(orders.workers))
    worker = (*everywhere, "--worker", "--master-port", port)
    return {
        "generator master": (*leading, *master),
        **{f"generator {number}": worker for number in range(1, orders.workers + 1)},
    }


def _web(port: int) -> Sequence[str]:
    return ("--autostart", "--web-host", "127.0.0.1", "--web-port", str(port))
