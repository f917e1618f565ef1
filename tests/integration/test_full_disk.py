"""Processes on a file system that is really full: none dies of what it maps, and all come back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from loadtests.processes import tree
from ops.demo_product import running
from ops.lock import Lock
from ops.stack.kafka import KafkaServer
from ops.stack.redis import RedisServer
from tests.full_disks import a_small_disk, fill
from tests.integration.product_world import World, are_told, kill, until
from tests.integration.test_product_on_real_engines import environment

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DISK_BYTES = 4_000_000

COUNT_ONE = """
import sys
from pathlib import Path
from ops.metrics_files import metrics_text, name_process
name_process("worker")
from ops.telemetry import Telemetry
telemetry = Telemetry()
telemetry.show_lag("settling", 4)
assert b"keshikomi_lag_records" not in metrics_text()
Path(sys.argv[1]).unlink()
telemetry.show_lag("settling", 5)
"""
OPEN_GATE = """
import sys
from pathlib import Path
from connectors.log.gate import Gate
Gate(Path(sys.argv[1])).enter()
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with a_small_disk(tmp_path, DISK_BYTES) as made:
        yield made


def run(script: str, argument: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-c", script, str(argument)),
        env={**os.environ, **variables},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_process_that_starts_on_a_full_disk_counts_without_its_files(disk: Path) -> None:
    metrics = disk / "metrics"
    metrics.mkdir()

    done = run(COUNT_ONE, fill(disk), PROMETHEUS_MULTIPROC_DIR=str(metrics))

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.count("No space left on device") == 1


def test_a_gate_that_cannot_be_made_on_a_full_disk_is_an_error_that_names_it(disk: Path) -> None:
    fill(disk)

    done = run(OPEN_GATE, disk / "log.db.gate")

    assert done.returncode == 1, "it was not killed"
    assert f"No space left on device: '{disk / 'log.db.gate'}'" in done.stderr


def test_a_lock_that_cannot_say_whose_it_is_names_its_file(disk: Path) -> None:
    fill(disk)

    with pytest.raises(OSError, match="No space left on device") as refused:
        Lock(disk / "lock").try_take()

    assert refused.value.filename == str(disk / "lock")


# --- the product


async def test_on_real_engines_a_full_disk_stops_nothing(
    disk: Path,
    own_kafka: KafkaServer,
    url: str,
    redis_server: RedisServer,
) -> None:
    data = disk / "data"
    ours = environment(own_kafka, url, redis_server)
    async with running(data, environment=ours) as product, aiohttp.ClientSession() as http:
        await product.wait_ready()
        world = World(http, product.url, data)
        async with world.receiver.running():
            merchant = await world.merchant("a")
            fill(disk)
            await are_told(world, merchant, {"while it is full"})
            before = tree(product.process.pid)["settling"]
            kill(before)

            async def is_back() -> bool:
                return tree(product.process.pid).get("settling", before) != before

            await until(is_back)
            fill(disk)  # also what the killed one had left free
            await are_told(world, merchant, {"with a new worker"})
        assert "No space left on device" in product.log_tail()
