"""A worker that the group has dropped says why and ends, before it does others' work."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from signal import Signals

import pytest

from connectors.kafka.transport import SESSION_SECONDS
from ops.process import EXIT_FAIL_STOP
from ops.stack.kafka import KafkaServer
from tests.integration.kafka_workers import StageWorker, end_all, members, start_worker
from tests.integration.product_world import pause, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

STAGE = "resolving"


def settings(kafka: KafkaServer) -> dict[str, str]:
    return {
        **os.environ,
        "KESHIKOMI_BROKER": kafka.url,
        "KESHIKOMI_KAFKA_REPLICATION": "1",
    }


async def has_members(kafka: KafkaServer, *names: str) -> bool:
    return set(await members(kafka, STAGE)) == {f"{STAGE}-{name}" for name in names}


async def test_of_two_workers_with_one_name_the_first_ends_and_names_the_reason(
    tmp_path: Path, own_kafka: KafkaServer
) -> None:
    workers: list[StageWorker] = []
    try:
        for machine in ("first", "second"):
            (tmp_path / machine).mkdir()
            data = tmp_path / machine / "data"
            workers.append(await start_worker(STAGE, "same", data, settings(own_kafka)))
            await workers[-1].wait_ready()
        first, second = workers

        assert await first.process.wait() == EXIT_FAIL_STOP
        assert "another worker has the same name, 'resolving-same'" in first.log()
        await until(partial(has_members, own_kafka, "same"))
        assert second.process.returncode is None
    finally:
        await end_all(workers)


async def test_a_worker_that_was_frozen_ends_and_the_other_has_its_partitions(
    tmp_path: Path, own_kafka: KafkaServer
) -> None:
    workers: list[StageWorker] = []
    try:
        for name in ("one", "two"):
            workers.append(await start_worker(STAGE, name, tmp_path / "data", settings(own_kafka)))
            await workers[-1].wait_ready()
        await until(partial(has_members, own_kafka, "one", "two"))

        workers[0].send(Signals.SIGSTOP)
        await pause(SESSION_SECONDS)
        await until(partial(has_members, own_kafka, "two"))
        workers[0].send(Signals.SIGCONT)

        assert await workers[0].process.wait() == EXIT_FAIL_STOP
        assert f"silent for more than {SESSION_SECONDS:g} s" in workers[0].log()
        assert workers[1].process.returncode is None
    finally:
        await end_all(workers)
