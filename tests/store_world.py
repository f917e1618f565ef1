"""A table of the embedded log without a worker: its store, and the file behind it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from faust.types.tuples import TP, Message

from connectors.log.sqlitelog import SqliteLog
from connectors.log.transport import STORE_SCHEME
from tests.log_helpers import a_log
from tests.log_worker import TABLE, make_app


class World:
    """An app whose producer runs, the store of its one table, and the file behind both."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.log: SqliteLog = app.transport.log_file
        self.table = app.tables[TABLE]
        self.table.use_partitioner = True  # no event is handled that would say the partition
        self.store = self.table.data
        self.reads = 0
        find: Callable[[Sequence[int], bytes], bytes | None] = self.log.rows.find

        def counted(partition_ids: Sequence[int], key: bytes) -> bytes | None:
            self.reads += 1
            return find(partition_ids, key)

        self.log.rows.find = counted

    async def durable(self) -> None:
        await self.app.producer.flush()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the writer from making anything durable."""
        gate = self.log._gate  # noqa: SLF001  # the one place where all of its transactions begin
        enter, opened = gate.enter, threading.Event()

        def waiting() -> bool:
            opened.wait()
            return enter()

        gate.enter = waiting  # type: ignore[method-assign]  # held here
        try:
            yield
        finally:
            gate.enter = enter  # type: ignore[method-assign]  # and let go
            opened.set()

    def failing_step(self, **changes: bytes) -> None:
        message = Message("notices", 0, 0, 0, 0, [], b"k", b"v", None, tp=TP("notices", 0))

        def step() -> None:
            with self.app.producer.unit(message):
                for key, value in changes.items():
                    self.table[key.encode()] = value
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            step()


@asynccontextmanager
async def a_world(path: Path) -> AsyncIterator[World]:
    with a_log(path / "log.db"):
        app: Any = make_app(f"sqlitelog://{path}/log.db", f"{STORE_SCHEME}://", "unit")
        await app.producer.start()
        try:
            yield World(app)
        finally:
            await app.producer.stop()
