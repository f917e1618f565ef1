"""Workers of single stages beside a product on Kafka, as an operator adds them on a machine."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from ops.settings import READY_FD, SUPERVISED_BY
from ops.stack.kafka import KafkaServer

READY_SECONDS_MAX = 60.0


@dataclass(slots=True, kw_only=True)
class StageWorker:
    """One `keshikomi worker` of one stage."""

    process: asyncio.subprocess.Process
    log_path: Path
    ready: asyncio.Task[bytes]

    async def wait_ready(self) -> None:
        """Return when it has its share of the partitions; fails with its log when it ends."""
        async with asyncio.timeout(READY_SECONDS_MAX):
            said = await self.ready
        assert said, f"the worker ended:\n{self.log()}"

    def send(self, number: Signals) -> None:
        """A signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def log(self) -> str:
        """All that it said."""
        return self.log_path.read_text(errors="replace")


async def start_worker(
    stage: str, name: str, data: Path, environment: Mapping[str, str]
) -> StageWorker:
    """Start a worker with a name of its own; whoever calls this ends it."""
    read_end, write_end = os.pipe()
    log_path = data.parent / f"{stage}-{name}-{read_end}.log"
    with log_path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", "worker", "--stage", stage),
            env={
                **environment,
                "KESHIKOMI_DATA": str(data),
                "KESHIKOMI_WORKER_NAME": name,
                READY_FD: str(write_end),
                SUPERVISED_BY: str(os.getpid()),  # should we be killed, it must not stay behind
            },
            pass_fds=(write_end,),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    os.close(write_end)
    ready = asyncio.create_task(_first_words(read_end))
    return StageWorker(process=process, log_path=log_path, ready=ready)


async def _first_words(descriptor: int) -> bytes:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    try:
        return await reader.read(1)
    finally:
        transport.close()


async def end_all(workers: list[StageWorker]) -> None:
    """Kill what still runs."""
    for worker in workers:
        worker.send(Signals.SIGKILL)
        await worker.process.wait()
        worker.ready.cancel()


async def members(kafka: KafkaServer, stage: str) -> dict[str, int]:
    """The members of a stage's group by name, each with the size of its share in bytes.

    None are told while the group is being shared out anew.
    """

    def ask() -> dict[str, int]:
        return kafka.ask(lambda client: _members(client, stage))

    return await asyncio.to_thread(ask)


async def _members(client: object, stage: str) -> dict[str, int]:
    answers = await client.describe_consumer_groups([f"keshikomi-{stage}"])  # type: ignore[attr-defined]  # aiokafka ships no types
    found: dict[str, int] = {}
    for answer in answers:
        for group in answer.groups:
            if group[2] == "Stable":
                found |= {member[0][:-37]: len(member[4]) for member in group[5]}
    return found
