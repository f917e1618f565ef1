"""`make stack`: real servers here until Ctrl-C; `NODES=3` for brokers and nodes that replicate."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ops.stack import cassandra, kafka
from ops.stack.cassandra import CassandraCluster, CassandraServer
from ops.stack.kafka import KafkaCluster, KafkaServer, Member
from ops.stack.packages import jars, provide
from ops.stack.redis import PORT as REDIS_PORT
from ops.stack.redis import RedisServer
from ops.stack.server import Startable
from streams.clock import monotonic_seconds
from streams.domain.errors import KeshikomiError

DONE, FAILED = 0, 1
LOOK_SECONDS = 0.5
KAFKA_NODE_BYTES = 700_000_000
"""What one broker takes of the memory: its heap and some beside it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the servers until SIGINT or SIGTERM; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ops.stack", description=__doc__)
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--directory", type=Path, default=Path("build/stack"))
    given = parser.parse_args(arguments)
    try:
        must_fit(given.nodes, memory_bytes_available())
        provide(("java", "mvn", "redis-server"))
        copies = {"KESHIKOMI_KAFKA_REPLICATION": str(given.nodes)}
        run(engines(given.nodes, given.directory), copies)
    except (KeshikomiError, OSError) as error:
        print(f"stack: {error}", file=sys.stderr)
        return FAILED
    return DONE


class TooLittleMemory(KeshikomiError):
    """The servers that were asked for would not fit into the memory that is free."""

    code = "too_little_memory"


def memory_bytes_available() -> int:
    """The memory that programs can still have, as Linux estimates it."""
    lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(kilobytes) * 1024


def must_fit(nodes: int, available: int) -> None:
    """Raise `TooLittleMemory`, with the figures, unless so many nodes fit."""
    needed = nodes * (KAFKA_NODE_BYTES + cassandra.NODE_BYTES)
    if needed > available:
        raise TooLittleMemory(
            f"{nodes} Kafka and {nodes} Cassandra need {needed / 1e9:.1f} GB of memory and "
            f"{available / 1e9:.1f} GB are available"
            + ("; try `make stack`, which starts one of each" if nodes > 1 else "")
        )


def engines(nodes: int, directory: Path) -> dict[str, Startable]:
    """The servers at their usual ports, by the setting that names them."""
    cache = directory / "jars"
    jars(kafka.JARS, cache)
    jars(cassandra.JARS, cache)
    data = directory / f"data-{nodes}"
    redis = RedisServer(data / "redis", port=REDIS_PORT)
    if nodes == 1:
        member = Member(node_id=1, port=kafka.PORT)
        return {
            "KESHIKOMI_BROKER": KafkaServer(data / "kafka", jar_cache=cache, member=member),
            "KESHIKOMI_HISTORY": CassandraServer(
                data / "cassandra", jar_cache=cache, port=cassandra.PORT
            ),
            "KESHIKOMI_CACHE": redis,
        }
    ports = [kafka.PORT + 10 * number for number in range(nodes)]
    return {
        "KESHIKOMI_BROKER": KafkaCluster(data, jar_cache=cache, ports=ports),
        "KESHIKOMI_HISTORY": CassandraCluster(
            data, jar_cache=cache, nodes=nodes, port=cassandra.PORT
        ),
        "KESHIKOMI_CACHE": redis,
    }


def run(servers: Mapping[str, Startable], settings: Mapping[str, str]) -> None:
    """Start all at once, say how they are used, wait for a signal, and stop all at once.

    `settings` are those of the product that go with the servers, beside their addresses.
    """
    # A shell has whatever it starts in the background ignore Ctrl-C, and so would we; and SIGTERM
    # ends us alike.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    before = monotonic_seconds()
    # Twice as many threads: a signal may come while all are still starting.
    with ThreadPoolExecutor(max_workers=2 * len(servers)) as pool:
        try:
            list(pool.map(bring_up, servers.values()))
            print(f"# usable after {monotonic_seconds() - before:.1f} s; Ctrl-C stops all")
            urls = {name: server.url for name, server in servers.items()}
            for name, value in {**urls, **settings}.items():
                print(f"export {name}={shlex.quote(value)}")
            sys.stdout.flush()
            while True:  # `signal.pause` would sleep through a signal that came just before it
                time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            print("# stopping", flush=True)
        finally:
            stopped = list(pool.map(lambda server: server.stop(), servers.values()))
    if not all(stopped):
        print("stack: a server had to be killed, see its server.log", file=sys.stderr)


def bring_up(server: Startable) -> None:
    """Start one server or cluster and wait until it is usable."""
    server.start()
    server.wait_usable()


if __name__ == "__main__":
    sys.exit(main())
