"""Workers of one group come, cannot end their work, and are dropped: none holds up the others."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path
from signal import Signals

import pytest

from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import KafkaConnection
from connectors.kafka.transport import SESSION_SECONDS
from ops.process import EXIT_FAIL_STOP
from ops.stack.kafka import KafkaServer
from streams.topics import HISTORY
from tests.integration.kafka_workers import StageWorker, end_all, members, start_worker
from tests.integration.product_world import pause, until
from tests.log_helpers import a_record

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

SHARED_SECONDS_MAX = 10.0
END_SECONDS_MAX = 8.0
"""Before `KESHIKOMI_SHUTDOWN_SECONDS`, after which a supervisor would kill it."""


def settings(kafka: KafkaServer, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "KESHIKOMI_BROKER": kafka.url,
        "KESHIKOMI_KAFKA_REPLICATION": "1",
        **more,
    }


async def has_members(kafka: KafkaServer, stage: str, *names: str) -> bool:
    return set(await members(kafka, stage)) == {f"{stage}-{name}" for name in names}


async def test_of_two_workers_with_one_name_the_first_ends_and_names_the_reason(
    tmp_path: Path, broker: KafkaServer
) -> None:
    workers: list[StageWorker] = []
    try:
        for machine in ("first", "second"):
            (tmp_path / machine).mkdir()
            data = tmp_path / machine / "data"
            workers.append(await start_worker("resolving", "same", data, settings(broker)))
            await workers[-1].wait_ready()
        first, second = workers

        assert await first.process.wait() == EXIT_FAIL_STOP
        (line,) = critical(first)
        assert "another worker has the same name, 'resolving-same'" in line
        await until(partial(has_members, broker, "resolving", "same"))
        assert second.process.returncode is None
    finally:
        await end_all(workers)


async def test_a_worker_that_was_frozen_ends_and_the_other_has_its_partitions(
    tmp_path: Path, broker: KafkaServer
) -> None:
    workers: list[StageWorker] = []
    try:
        data, environment = tmp_path / "data", settings(broker)
        for name in ("one", "two"):
            workers += [await start_worker("settling", name, data, environment)]
        for worker in workers:
            await worker.wait_ready()
        await until(partial(has_members, broker, "settling", "one", "two"))

        workers[0].send(Signals.SIGSTOP)
        await pause(SESSION_SECONDS)
        await until(partial(has_members, broker, "settling", "two"))
        workers[0].send(Signals.SIGCONT)

        assert await workers[0].process.wait() == EXIT_FAIL_STOP
        (line,) = critical(workers[0])
        assert f"silent for more than {SESSION_SECONDS:g} s" in line
        assert workers[1].process.returncode is None
    finally:
        await end_all(workers)


async def test_archivers_that_cannot_write_share_and_end_and_leave_what_is_not_written(
    tmp_path: Path, broker: KafkaServer
) -> None:
    away = settings(broker, KESHIKOMI_HISTORY="cassandra://127.0.0.1:1/away")
    workers: list[StageWorker] = []

    async def tries_to_write() -> bool:
        return "history_unavailable" in workers[-1].log()

    try:
        for name in ("one", "two"):
            workers.append(await start_worker("archiving", name, tmp_path / "data", away))
            await workers[-1].wait_ready()
            await append_history(broker)
            await until(tries_to_write)
            names = [name] if name == "one" else ["one", "two"]
            await until(partial(has_members, broker, "archiving", *names), SHARED_SECONDS_MAX)
        for worker in workers:
            worker.send(Signals.SIGTERM)
        async with asyncio.timeout(END_SECONDS_MAX):
            assert [await worker.process.wait() for worker in workers] == [0, 0]

        assert await committed(broker) == set()
    finally:
        await end_all(workers)


def critical(worker: StageWorker) -> list[str]:
    """What it said last, as loud as it can."""
    return [line for line in worker.log().splitlines() if "CRITICAL" in line.upper()]


async def append_history(kafka: KafkaServer) -> None:
    """Something to archive in every partition."""
    appender = KafkaAppender(KafkaConnection(servers=(kafka.address,)))
    await appender.append([a_record(topic=HISTORY.name, key=f"k{n}") for n in range(40)])
    await appender.close()


async def committed(kafka: KafkaServer) -> set[int]:
    """The positions of the archivers that are past something."""
    group = "keshikomi-archiving"
    found = await asyncio.to_thread(
        kafka.ask, lambda admin: admin.list_consumer_group_offsets(group)
    )
    return {place.offset for place in found.values()} - {0, -1}
