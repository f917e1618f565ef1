"""Tables of workers on Kafka: ready after any end, right after any move, and not read twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from connectors.kafka.partitions import Partitions
from connectors.kafka.rows import IN_MEMORY, ON_DISK, MemoryRows, RocksRows
from loadtests.recovery import CHANGELOG, PARTITIONS, Settling, end
from ops.stack.kafka import KafkaServer
from streams.codecs import decode_invoice
from tests.conftest import Eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.allows_errors,  # aiokafka calls a coordinator that is not elected yet an error
]

INVOICES = 20_000


@asynccontextmanager
async def settling(
    kafka: KafkaServer, folder: Path, store: str, *, invoices: int
) -> AsyncIterator[Settling]:
    """A stage with this many open invoices in its changelog and no worker."""
    world = Settling(kafka.url, folder, store, "first")
    world.make_topics()
    await world.register(invoices)
    try:
        yield world
    finally:
        world.kill_all()


async def rows_by_changelog(kafka: KafkaServer) -> dict[bytes, bytes]:
    """What the table must be, read from the beginning."""
    partitions = Partitions(CHANGELOG, MemoryRows())
    await partitions.load(range(PARTITIONS), {"bootstrap_servers": kafka.address})
    return dict(row for piece in partitions.pieces() for row in piece)


def rows_on_disk(world: Settling) -> dict[bytes, bytes]:
    """What a worker that has ended has left."""
    folder = Path(world.environment["KESHIKOMI_DATA"]) / "run" / "tables"
    (own,) = folder.iterdir()
    rows = RocksRows(own / "invoice-rows")
    try:
        every = (rows.pieces(partition) for partition in range(PARTITIONS))
        return dict(row for pieces in every for piece in pieces for row in piece)
    finally:
        rows.close()


def paid(rows: dict[bytes, bytes]) -> int:
    """How many invoices have something in their journal."""
    return sum(bool(decode_invoice(row).journal) for row in rows.values())


async def test_a_copy_on_disk_is_brought_up_to_date_instead_of_read_again(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    async with settling(own_kafka, tmp_path, ON_DISK, invoices=INVOICES) as world:
        cold = await world.start(0)
        assert end(cold.process) == 0
        after_a_stop = await world.start(1)
        end(after_a_stop.process, signal.SIGKILL)
        after_a_kill = await world.start(2)
        assert end(after_a_kill.process) == 0

        assert cold.replayed == INVOICES
        assert after_a_stop.replayed == 0
        assert after_a_kill.replayed <= 1  # the row of invoice 1, if its record was not acked yet
        rows = rows_on_disk(world)
        assert rows == await rows_by_changelog(own_kafka)
        assert (len(rows), paid(rows)) == (INVOICES, 3)


async def test_a_table_in_memory_is_read_again_at_each_start(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    async with settling(own_kafka, tmp_path, IN_MEMORY, invoices=2_000) as world:
        first = await world.start(0)
        end(first.process, signal.SIGKILL)
        second = await world.start(1)
        assert end(second.process) == 0

        assert (first.replayed, second.replayed) == (2_000, 2_001)
        assert paid(await rows_by_changelog(own_kafka)) == 2


@pytest.mark.parametrize("store", [IN_MEMORY, ON_DISK])
async def test_kills_amid_work_lose_no_payment(
    own_kafka: KafkaServer, tmp_path: Path, store: str
) -> None:
    async with settling(own_kafka, tmp_path, store, invoices=3_000) as world:
        for first in (0, 1_000, 2_000):
            worker = await world.start(first)
            paying = asyncio.create_task(world.pay(range(first + 1, first + 1_000)))
            await world.told(range(first + 1, first + 100), worker.process)
            end(worker.process, signal.SIGKILL)
            await paying
        last = world.spawn()
        await world.told(range(3_000), last)
        assert end(last) == 0

        rows = await rows_by_changelog(own_kafka)
        assert paid(rows) == 3_000
        assert all(len(decode_invoice(row).journal) == 1 for row in rows.values())
        if store == ON_DISK:
            assert rows_on_disk(world) == rows


async def test_partitions_that_move_away_and_come_back_have_what_happened_meanwhile(
    own_kafka: KafkaServer, tmp_path: Path, eventually: Eventually
) -> None:
    # Those in memory move in test_kafka_moves.
    async with settling(own_kafka, tmp_path, ON_DISK, invoices=1_000) as world:
        first = await world.start(0)
        other = Settling(own_kafka.url, tmp_path / "other", ON_DISK, "second")
        guest = other.spawn()
        await eventually(lambda: len(other.loaded()) == 1)
        moved = other.loaded()[0][0]
        await world.pay(range(1, 1_000))
        await world.told(range(1, 1_000), first.process)
        assert 0 < len(moved) < PARTITIONS
        assert end(guest) == 0
        await eventually(lambda: len(world.loaded()) == 2)
        await world.pay(range(1_000), time=2)
        await world.told(range(1_000), first.process, time=2)
        assert end(first.process) == 0

        came_back, replayed = world.loaded()[1]
        rows = await rows_by_changelog(own_kafka)
        assert came_back == moved
        assert all(len(decode_invoice(row).journal) == 2 for row in rows.values())
        assert rows_on_disk(world) == rows
        assert 0 < replayed < 600  # of about 500 rows and 500 changes, only the changes
