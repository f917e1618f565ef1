"""Workers of one group come, cannot end their work, and are dropped: none holds up the others."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from functools import partial
from pathlib import Path
from signal import Signals

import pytest

from connectors.kafka.appender import KafkaAppender
from connectors.kafka.connection import KafkaConnection
from connectors.kafka.transport import SESSION_SECONDS
from ops.process import EXIT_FAIL_STOP
from ops.stack.cassandra import CassandraServer
from ops.stack.kafka import KafkaServer
from streams.topics import HISTORY
from tests.integration.kafka_workers import StageWorker, end_all, members, start_worker
from tests.integration.product_world import pause, until
from tests.log_helpers import a_record

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

MASTER_KEY = b64encode(b"m" * 32).decode()
"""Of all machines here, since they are one installation's."""
SHARED_SECONDS_MAX = 10.0
END_SECONDS_MAX = 8.0
"""Before `KESHIKOMI_SHUTDOWN_SECONDS`, after which a supervisor would kill it."""


def settings(kafka: KafkaServer, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "KESHIKOMI_BROKER": kafka.url,
        "KESHIKOMI_KAFKA_REPLICATION": "1",
        "KESHIKOMI_HISTORY": "sqlite://DATA/history.db",
        "KESHIKOMI_MASTER_KEY": MASTER_KEY,
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
    tmp_path: Path, broker: KafkaServer, cassandra_server: CassandraServer, url: str
) -> None:
    environment = settings(broker, KESHIKOMI_HISTORY=url)
    workers: list[StageWorker] = []

    async def cannot_write() -> bool:
        return all("history_unavailable" in worker.log() for worker in workers)

    try:
        for name in ("one", "two"):
            workers.append(await start_worker("archiving", name, tmp_path / "data", environment))
            await workers[-1].wait_ready()
        await until(partial(has_members, broker, "archiving", "one", "two"))
        cassandra_server.freeze()
        await append_history(broker)
        await until(cannot_write)
        workers[0].send(Signals.SIGKILL)
        await until(partial(has_members, broker, "archiving", "two"), SHARED_SECONDS_MAX)
        workers[1].send(Signals.SIGTERM)
        async with asyncio.timeout(END_SECONDS_MAX):
            assert await workers[1].process.wait() == 0

        assert await committed(broker) == set()
    finally:
        cassandra_server.thaw()
        await end_all(workers)
        await asyncio.to_thread(cassandra_server.wait_usable)


async def test_an_archiver_whose_history_is_away_at_its_start_waits_and_ends_when_told(
    tmp_path: Path, broker: KafkaServer
) -> None:
    away = settings(broker, KESHIKOMI_HISTORY="cassandra://127.0.0.1:1/away")
    await start_once("resolving", tmp_path / "data", settings(broker))
    worker = await start_worker("archiving", "waits", tmp_path / "data", away)
    try:
        await worker.wait_ready()
        assert "history_unavailable" in worker.log()
        worker.send(Signals.SIGTERM)
        async with asyncio.timeout(END_SECONDS_MAX):
            assert await worker.process.wait() == 0
        assert "waits" not in " ".join(await members(broker, "archiving"))
    finally:
        await end_all([worker])


async def start_once(stage: str, data: Path, environment: dict[str, str]) -> None:
    """A first start, which looks at history: of an empty log nobody knows whose it is."""
    worker = await start_worker(stage, "once", data, environment)
    try:
        await worker.wait_ready()
    finally:
        await end_all([worker])


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
