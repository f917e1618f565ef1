"""A Faust worker for the log's tests: counts notices per key in a table and tells each count."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import faust

from connectors.kafka.connection import SCHEME
from connectors.kafka.recovery import QuickTables
from connectors.kafka.store import register as register_store
from connectors.kafka.transport import register as register_kafka
from connectors.kafka.transport import worker_options
from connectors.log.limits import RECORD_BYTES_MAX
from connectors.log.transport import register
from ops.settings import from_environment
from streams.domain.errors import OverLimit
from streams.ports import Record

SOURCE, OUTPUT, QUARANTINE, TABLE = "notices", "counts", "quarantine", "totals"
POISON = b"poison"
FATAL = b"fatal"
LARGE_OUTPUT, LARGE_CHANGE, LARGE_ROW = b"large output", b"large change", b"large row"
"""Make a step say or keep more than the log takes: a record, a row by Faust, a row by its store."""
BEYOND_THE_LIMIT = b" " * (RECORD_BYTES_MAX + 1)


class WorkerApp(faust.App):
    """An app whose one topic is read under a group of its own name."""

    unit_topics: frozenset[str] = frozenset()
    group_of_topic: ClassVar[dict[str, str]] = {SOURCE: "counting"}


def count_in_unit(  # noqa: PLR0917  # the parts of one event
    app: Any, table: Any, message: Any, key: bytes, value: bytes, prefix: str = ""
) -> None:
    """One step as a unit: output, table and position together, or a quarantine row instead."""
    try:
        with app.producer.unit(message) as unit:
            total = int(table.get(key) or 0) + 1
            table[key] = str(total).encode()
            unit.send(
                Record(topic=prefix + OUTPUT, key=key, value=value + b":" + str(total).encode())
            )
            spoil(table, unit, Record(topic=prefix + OUTPUT, key=key, value=value))
    except (ValueError, OverLimit):
        with app.producer.unit(message) as unit:
            unit.send(Record(topic=prefix + QUARANTINE, key=key, value=value))


def spoil(table: Any, unit: Any, record: Record) -> None:
    """What goes wrong at the end of a step, when all else of it is said."""
    if record.value == POISON:
        raise ValueError("poison")
    if record.value == LARGE_OUTPUT:
        unit.send(replace(record, value=BEYOND_THE_LIMIT))
    if record.value == LARGE_CHANGE:
        table[record.key] = BEYOND_THE_LIMIT
    if record.value == LARGE_ROW:
        table.data.write_with_step(record.key, BEYOND_THE_LIMIT)


async def count_plainly(app: Any, table: Any, key: bytes, value: bytes, prefix: str = "") -> None:
    """One step in Faust's own way: at least once."""
    total = int(table.get(key) or 0) + 1
    table[key] = str(total).encode()
    output = value + b":" + str(total).encode()
    await app.producer.send(prefix + OUTPUT, key, output, None, None, None)


def make_app(broker: str, store: str, mode: str, prefix: str = "") -> faust.App:
    """The worker's app; `mode` is `unit` or `plain`, and names of topics begin with `prefix`."""
    register()
    options: dict[str, Any] = {"broker": broker}
    if broker.startswith(SCHEME):
        register_kafka()
        register_store()
        # Nothing here opens a history; on Kafka one must be named all the same.
        connection = from_environment({"broker": broker, "history": "sqlite://none.db"}).kafka
        assert connection is not None, "the scheme says that it is one"
        options = worker_options(connection, "counting-0")
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    app = WorkerApp(
        f"{prefix}log-worker",
        **options,
        store=store,
        topic_partitions=4,
        datadir=str(Path(tempfile.gettempdir()) / f"{prefix}log-worker-data"),
        web_enabled=False,
        broker_commit_interval=0.1,
        topic_disable_leader=True,
        table_standby_replicas=0,
        TableManager=QuickTables,
    )
    source = app.topic(prefix + SOURCE, key_type=bytes, value_type=bytes, value_serializer="raw")
    table = app.Table(TABLE, key_type=bytes, value_type=bytes, default=None, partitions=4)

    if mode == "unit":
        app.unit_topics = frozenset({prefix + SOURCE})

    @app.agent(source)
    async def counting(stream: Any) -> None:
        async for event in stream.events():
            if mode == "unit":
                await cast("Any", app.producer).room()
                if event.value == FATAL:
                    raise RuntimeError("failed before its unit was opened")
                count_in_unit(app, table, event.message, event.key, event.value, prefix)
            else:
                await count_plainly(app, table, event.key, event.value, prefix)

    return app


def main() -> None:
    """Run until killed: `python -m tests.log_worker BROKER STORE MODE [PREFIX]`."""
    app = make_app(*sys.argv[1:5])
    worker = faust.Worker(app, loglevel="warn", redirect_stdouts=False, quiet=True)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker.loop = loop
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
