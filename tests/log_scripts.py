"""Small processes for the log's tests, each a function: `python -m tests.log_scripts NAME ARGS`."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from connectors.log.sqlitelog import SqliteLog, stop_process
from streams.domain.errors import Unavailable
from streams.ports import Record
from tests.log_helpers import every


def say(text: str) -> None:
    """One line that the test reads at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def write(path: str, name: str, records: str) -> None:
    """Append numbered records in small batches and say each number once it is durable."""
    log = SqliteLog(Path(path), on_failure=None)
    for first in range(0, int(records), 5):
        await log.append(
            [
                Record(topic="notices", key=b"%d" % (n % 7), value=f"{name}:{n}".encode())
                for n in range(first, first + 5)
            ]
        )
        say(str(first + 4))
    log.close()


async def fill_the_disk(path: str, how: str) -> None:
    """Append until a limit on file sizes refuses, then lift it and go on, or be stopped by it."""
    log = SqliteLog(Path(path), on_failure=None if how == "refuse" else stop_process)
    log.create_topic("notices", 1)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    accepted: list[str] = []
    refused: list[str] = []
    for n in range(2_000):
        if n == 1_500:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        value = f"{n}:" + "x" * 1_000
        try:
            await log.append([Record(topic="notices", key=b"k", value=value.encode())])
            accepted.append(value)
        except Unavailable:
            refused.append(value)
    log.close()
    log = SqliteLog(Path(path), on_failure=None)
    found = [(record.value or b"").decode() for record in every(log, "notices")]
    log.close()
    say(f"{len(accepted)} {len(refused)} {found == accepted} {accepted[-1].split(':')[0]}")


async def hang_a_bell(path: str) -> None:
    """Wait to be woken by other processes: say when the bell hangs and each time it rings."""
    log = SqliteLog(Path(path), on_failure=None)
    bell = log.hang_bell()
    loop = asyncio.get_running_loop()
    rung = asyncio.Event()
    loop.add_reader(bell.fileno(), rung.set)
    say("hangs")
    await rung.wait()
    say("rang")


SCRIPTS = {script.__name__: script for script in (write, fill_the_disk, hang_a_bell)}

if __name__ == "__main__":
    asyncio.run(SCRIPTS[sys.argv[1]](*sys.argv[2:]))
