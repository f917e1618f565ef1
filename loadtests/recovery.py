"""How long a worker on Kafka takes until it works, with many open invoices in its table."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
from aiokafka import (  # type: ignore[import-untyped]  # it ships no types
    AIOKafkaConsumer,
    AIOKafkaProducer,
    TopicPartition,
)

from connectors.kafka.rows import IN_MEMORY, ON_DISK
from connectors.log.places import partition_of
from loadtests.engines import JAR_CACHE
from loadtests.open_invoices import a_payment, id_of, rows
from loadtests.processes import MEGABYTE, PROC, usage
from ops.stack.kafka import JARS, KafkaServer
from ops.stack.packages import jars, provide
from streams.clock import monotonic_seconds
from streams.topics import HISTORY, INVOICES

PARTITIONS = 4
MASTER_KEY = b64encode(b"m" * 32).decode()
"""Workers in several folders are machines of one installation."""
CHANGELOG = "invoice-rows-changelog"
SENT_AT_ONCE = 5_000
WORKS_SECONDS_MAX = 600.0
STOP_SECONDS_MAX = 60.0
POLL_MS = 100
KIB = 1_024
LOADED = re.compile(rf"{CHANGELOG}: partitions \[([0-9, ]*)\] are up to date, (\d+) records read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A worker that works, and what it took."""

    process: subprocess.Popen[bytes]
    seconds: float
    cpu_seconds: float
    replayed: int
    memory_mb: float
    memory_most_mb: float


class Settling:
    """Workers of the settling stage, one after the other, and the Kafka between them and us."""

    def __init__(self, broker: str, folder: Path, store: str, name: str = "recovery") -> None:
        self._servers = broker.removeprefix("kafka://")
        self._processes: list[subprocess.Popen[bytes]] = []
        folder.mkdir(exist_ok=True)
        self._log_path = folder / f"{name}.log"
        self.environment: Mapping[str, str] = {
            **os.environ,
            "KESHIKOMI_BROKER": broker,
            "KESHIKOMI_HISTORY": "sqlite://DATA/history.db",
            "KESHIKOMI_MASTER_KEY": MASTER_KEY,
            "KESHIKOMI_KAFKA_REPLICATION": "1",
            "KESHIKOMI_PARTITIONS": str(PARTITIONS),
            "KESHIKOMI_DATA": str(folder / "data"),
            "KESHIKOMI_TABLE_STORE": store,
            "KESHIKOMI_WORKER_NAME": name,
        }

    def make_topics(self) -> None:
        """What `keshikomi setup` does."""
        command = [sys.executable, "-m", "ops.cli", "setup"]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start a worker; it need not work yet."""
        command = [sys.executable, "-m", "ops.cli", "worker", "--stage", "settling"]
        with self._log_path.open("wb") as log:
            process = subprocess.Popen(command, env=self.environment, stderr=log, stdout=log)
        self._processes.append(process)
        return process

    def kill_all(self) -> None:
        """End every worker that still runs."""
        for process in self._processes:
            process.kill()
            process.wait()

    def log(self) -> str:
        """What the newest worker has logged."""
        return self._log_path.read_text(errors="replace")

    def loaded(self) -> list[tuple[list[int], int]]:
        """What the newest worker has loaded: partitions, and how many records it read for them."""
        return [
            ([int(number) for number in partitions.split(",")], int(records))
            for partitions, records in LOADED.findall(self.log())
        ]

    async def start(self, number: int) -> Started:
        """Start a worker and have it settle the invoice with this number, unpaid until now."""
        await self.pay([number])
        began = monotonic_seconds()
        process = self.spawn()
        await self.told([number], process)
        took = monotonic_seconds() - began
        used, (memory_mb, most_mb) = usage(process.pid), _memory_mb(process.pid)
        return Started(
            process=process,
            seconds=took,
            cpu_seconds=used.cpu_seconds if used else 0.0,
            replayed=sum(records for _, records in self.loaded()),
            memory_mb=memory_mb,
            memory_most_mb=most_mb,
        )

    async def pay(self, numbers: Sequence[int], *, time: int = 1) -> None:
        """Say on the log that these invoices were paid in full, for the first or another time."""
        producer = AIOKafkaProducer(bootstrap_servers=self._servers, enable_idempotence=True)
        await producer.start()
        try:
            for number in numbers:
                key, value = a_payment(number, time)
                await producer.send_and_wait(
                    INVOICES.name, value, key=key, partition=partition_of(key, PARTITIONS)
                )
        finally:
            await producer.stop()

    async def told(
        self, numbers: Sequence[int], process: subprocess.Popen[bytes], *, time: int = 1
    ) -> None:
        """Return when a worker has told of this payment of each of these invoices."""
        wanted = {id_of(number) for number in numbers}
        places = [TopicPartition(HISTORY.name, number) for number in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self._servers, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign(places)
            await consumer.seek_to_beginning()
            async with asyncio.timeout(WORKS_SECONDS_MAX):
                while wanted:
                    if process.poll() is not None:
                        raise RuntimeError(f"the worker ended; its log:\n{self.log()}")
                    for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                        said = [orjson.loads(record.value) for record in records]
                        wanted -= {one["invoice_id"] for one in said if one["version"] == time}
        finally:
            await consumer.stop()

    async def register(self, invoices: int) -> float:
        """Write rows of open invoices to the changelog as the table does; returns the seconds."""
        began = monotonic_seconds()
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers, acks="all", enable_idempotence=True, linger_ms=5
        )
        await producer.start()
        try:
            sent = []
            for key, value in rows(invoices):
                partition = partition_of(key, PARTITIONS)
                sent.append(await producer.send(CHANGELOG, value, key=key, partition=partition))
                if len(sent) == SENT_AT_ONCE:
                    await asyncio.gather(*sent)
                    sent.clear()
            await asyncio.gather(*sent)
        finally:
            await producer.stop()
        return monotonic_seconds() - began


def end(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> int:
    """End a worker; returns its exit status."""
    process.send_signal(number)
    return process.wait(STOP_SECONDS_MAX)


def _memory_mb(pid: int) -> tuple[float, float]:
    """What the process holds now, and the most that it ever held."""
    status = (PROC / str(pid) / "status").read_text()
    found = dict(re.findall(r"^Vm(RSS|HWM):\s+(\d+) kB", status, re.MULTILINE))
    return int(found["RSS"]) * KIB / MEGABYTE, int(found["HWM"]) * KIB / MEGABYTE


# --- the command line


async def measure(settling: Settling, store: str, invoices: int, first: int) -> None:
    """One store: empty, after a clean stop, and after kill -9; prints a line for each."""
    starts = ("cold", "after a clean stop", "after kill -9")
    ends = (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)
    for place, (start, how) in enumerate(zip(starts, ends, strict=True)):
        started = await settling.start(invoices - 1 - first - place)
        print(
            f"| {store} | {start} | {started.seconds:.1f} s "
            f"| {started.cpu_seconds:.1f} s | {started.replayed:,} "
            f"| {started.memory_mb:.0f} MB | {started.memory_most_mb:.0f} MB |",
            flush=True,
        )
        end(started.process, how)


@contextmanager
def a_broker(folder: Path) -> Iterator[str]:
    """One Kafka of our own."""
    provide(("java", "mvn"))
    jars(JARS, JAR_CACHE)
    server = KafkaServer(folder / "kafka", jar_cache=JAR_CACHE)
    server.start()
    try:
        server.wait_usable()
        yield server.url
    finally:
        server.stop()


async def run(arguments: argparse.Namespace, broker: str, folder: Path) -> None:
    """Fill the changelog once, then measure each store."""
    stores = [arguments.store] if arguments.store else [IN_MEMORY, ON_DISK]
    worlds = [Settling(broker, folder / store, store, store) for store in stores]
    worlds[0].make_topics()
    took = await worlds[0].register(arguments.invoices)
    print(f"{arguments.invoices:,} open invoices written in {took:.0f} s\n")
    print("| Store | Start | until it works | its CPU | records read | memory | most |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for place, (store, world) in enumerate(zip(stores, worlds, strict=True)):
        await measure(world, store, arguments.invoices, 10 * place)


def main() -> None:
    """`python -m loadtests.recovery --invoices 1000000 [--store rocksdb]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invoices", type=int, default=1_000_000)
    parser.add_argument("--store", choices=(IN_MEMORY, ON_DISK))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recovery-") as name, a_broker(Path(name)) as broker:
        asyncio.run(run(arguments, broker, Path(name)))


if __name__ == "__main__":
    main()
