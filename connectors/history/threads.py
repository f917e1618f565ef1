"""The threads beside the event loop: one that writes in groups, and a few that read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from connectors.history.schema import connect
from connectors.log.gate import Gate
from streams.domain.errors import KeshikomiError, Unavailable

P = TypeVar("P")
R = TypeVar("R")

WRITES_WAITING_MAX = 10_000
WRITES_PER_COMMIT_MAX = 512
WRITE_SECONDS_MAX = 30.0
READS_WAITING_MAX = 2_000
READER_THREADS = 2

Handler = Callable[[sqlite3.Connection, Sequence[P]], Sequence[R | KeshikomiError]]
"""Writes what several callers want in one transaction and answers each; never only some of them."""


@contextmanager
def engine_errors() -> Iterator[None]:
    """What the file, the disk or a lock does to us becomes `Unavailable`; our own bugs do not."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if type(error) in {sqlite3.DatabaseError, sqlite3.OperationalError}:
            raise Unavailable(f"history: {error}") from error
        raise
    except OSError as error:
        raise Unavailable(f"history: {error}") from error


@dataclass(slots=True, eq=False)
class _Write:
    handler: Handler[Any, Any]
    wanted: object
    answer: asyncio.Future[Any] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Writer:
    """One thread and one connection: all that queued up during a commit is the next transaction."""

    def __init__(self, path: Path, gate: Gate, *, busy_ms: int) -> None:
        self._gate = gate
        self._connection = connect(path, busy_ms=busy_ms)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="history-writer")
        self._waiting: deque[_Write] = deque()
        self._busy = False
        self._closed = False

    async def write(self, handler: Handler[P, R], wanted: P) -> R:
        """Have it written together with what others want; durable when this returns.

        Raises `Unavailable` when too many wait, or when it took too long: then it may still be
        written later, which every write here bears.
        """
        if self._closed:
            raise Unavailable("history is closed")
        if len(self._waiting) >= WRITES_WAITING_MAX:
            raise Unavailable(f"history: {WRITES_WAITING_MAX} writes wait already")
        write = _Write(handler, wanted)
        self._waiting.append(write)
        self._start()
        try:
            async with asyncio.timeout(WRITE_SECONDS_MAX):
                answer: R = await write.answer
        except TimeoutError:
            raise Unavailable(f"history: no write in {WRITE_SECONDS_MAX:g} s") from None
        return answer

    def _start(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        count = min(len(self._waiting), WRITES_PER_COMMIT_MAX)
        writes = [self._waiting.popleft() for _ in range(count)]
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._thread, self._transact, writes)
        done.add_done_callback(lambda future: self._answer(writes, future))

    def _answer(self, writes: list[_Write], done: asyncio.Future[list[Any]]) -> None:
        self._busy = False
        self._start()
        error = done.exception()
        answers = [error] * len(writes) if error else done.result()
        for write, answer in zip(writes, answers, strict=True):
            if write.answer.done():
                continue  # its caller was cancelled
            if isinstance(answer, BaseException):
                write.answer.set_exception(answer)
            else:
                write.answer.set_result(answer)

    def _transact(self, writes: list[_Write]) -> list[Any]:
        answers: list[Any] = []
        with engine_errors(), self._gate.held():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for handler, group in groupby(writes, key=lambda write: write.handler):
                    answers += handler(self._connection, [write.wanted for write in group])
                self._connection.execute("COMMIT")
            finally:
                # A failed COMMIT may leave the transaction open; an I/O error may have ended it.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        return answers

    async def close(self) -> None:
        """Finish what was queued, then give the connection back."""
        self._closed = True
        while self._busy or self._waiting:
            await asyncio.wrap_future(self._thread.submit(_nothing))
        await asyncio.to_thread(self._thread.shutdown)
        self._connection.close()


class Readers:
    """A few threads, each with a connection that sees what was committed."""

    def __init__(self, path: Path) -> None:
        self._connections: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for _ in range(READER_THREADS):
            self._connections.put(connect(path, read_only=True))
        # The event loop must not wait for a lock, which readers of a WAL file hardly ever meet.
        self._own = connect(path, read_only=True, busy_ms=0)
        self._threads = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="history-reader")
        self._waiting = 0
        self._closed = False

    async def read(self, question: Callable[[sqlite3.Connection], R]) -> R:
        """Ask one thing; all statements of the question see the same state of the file."""
        if self._closed:
            raise Unavailable("history is closed")
        if self._waiting >= READS_WAITING_MAX:
            raise Unavailable(f"history: {READS_WAITING_MAX} reads wait already")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._ask, question)
        finally:
            self._waiting -= 1

    def _ask(self, question: Callable[[sqlite3.Connection], R]) -> R:
        connection = self._connections.get()
        try:
            with engine_errors():
                connection.execute("BEGIN")
                try:
                    return question(connection)
                finally:
                    connection.execute("ROLLBACK")
        finally:
            self._connections.put(connection)

    def peek(self, question: Callable[[sqlite3.Connection], R]) -> R:
        """Ask for one row by its key, here and now: that is cheaper than the way to a thread."""
        if self._closed:
            raise Unavailable("history is closed")
        with engine_errors():
            return question(self._own)

    async def close(self) -> None:
        """Answer what was asked, then give the connections back."""
        self._closed = True
        self._own.close()
        await asyncio.to_thread(self._threads.shutdown)
        for _ in range(READER_THREADS):
            self._connections.get().close()


def _nothing() -> None:
    """Wait for a turn of the thread."""
