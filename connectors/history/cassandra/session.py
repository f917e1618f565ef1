"""A session with the cluster that connects when it is needed and never has too much in flight."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cassandra import (  # type: ignore[import-untyped]  # the driver has no type hints
    ConsistencyLevel,
    ReadTimeout,
    WriteTimeout,
)
from cassandra.cluster import EXEC_PROFILE_DEFAULT  # type: ignore[import-untyped]  # as above
from cassandra.query import (  # type: ignore[import-untyped]  # as above
    BatchStatement,
    BatchType,
)

from connectors.history.cassandra.address import Address
from connectors.history.cassandra.bridge import Bridge, Rows
from connectors.history.cassandra.connecting import (
    CONDITIONAL,
    UNREACHABLE,
    connected,
    nobody_answers,
    nodes_of,
    unavailable,
)
from connectors.history.cassandra.slots import IN_FLIGHT_MAX, Slots
from streams.clock import monotonic_seconds
from streams.domain.errors import KeshikomiError, Unavailable

SEEK_SECONDS = 5.0
"""While no node answers, so often at most is looked up anew where they are."""

KEYS_PER_REQUEST = 10
"""Rows of many keys are asked for so many at a time, which the node that is asked gathers."""

logger = logging.getLogger("keshikomi")

Request = tuple[str, Sequence[object]]
"""A statement and its values."""

_TABLE = re.compile(r"\b(FROM|INTO|UPDATE) (\w+)")


class Undecided(Unavailable):
    """Too many wanted to decide the same thing at once; it may or may not have been decided."""


class Session:
    """Sends prepared statements for one event loop; every method raises `Unavailable`."""

    def __init__(self, address: Address, prepare: Callable[[Any], None]) -> None:
        """Take the address and what is to be done with a new session, in a thread, at first."""
        self._address = address
        self._prepare_session = prepare
        self._slots = Slots()
        self._connecting: asyncio.Task[Any] | None = None
        self._live: Any = None
        self._cluster: Any = None
        self._bridge: Bridge | None = None
        self._prepared: dict[str, Any] = {}
        self._seeking: asyncio.Task[None] | None = None
        self._seek_at = 0.0
        self._is_closed = False

    async def rows(self, cql: str, *values: object) -> Rows:
        """The first page of rows, which is all there is when the statement has a LIMIT."""
        statement = await self._statement(cql)
        return await self._ask(statement.bind(values))

    async def one(self, cql: str, *values: object) -> Any:
        """The one row, or None."""
        found = await self.rows(cql, *values)
        return found[0] if found else None

    async def many(self, requests: Iterable[Request]) -> list[Rows]:
        """The answer to each request, in their order; after a failure nothing more is sent."""
        return await self.together([request] for request in requests)

    async def together(self, groups: Iterable[Sequence[Request]]) -> list[Rows]:
        """As `many`, for groups of writes of which each goes to one partition as one request."""
        sent: list[asyncio.Future[Rows]] = []
        for group in groups:
            bound = [
                (self._prepared.get(cql) or await self._statement(cql)).bind(values)
                for cql, values in group
            ]
            sent.append(await self._send(bound[0] if len(bound) == 1 else _batch(bound)))
            if len(sent) > IN_FLIGHT_MAX:
                await _answer(sent[-IN_FLIGHT_MAX - 1])
        return [await _answer(future) for future in sent]

    async def keyed(self, cql: str, keys: Sequence[str]) -> dict[str, Any]:
        """The row of each key that has one, by the key, which is the first column."""
        parts = [
            keys[start : start + KEYS_PER_REQUEST]
            for start in range(0, len(keys), KEYS_PER_REQUEST)
        ]
        answers = await self.many((cql, (part,)) for part in parts)
        return {row[0]: row for rows in answers for row in rows}

    async def decide(self, cql: str, *values: object) -> dict[str, Any]:
        """Run a conditional statement; `[applied]` says whether, else the row as it stands.

        Raises `Undecided` when that cannot be told.
        """
        statement = await self._statement(cql, is_idempotent=False)
        row: dict[str, Any] = (await self._contend(statement.bind(values)))[0]
        return row

    async def decided(
        self, cql: str, *values: object, is_last: bool = False
    ) -> dict[str, Any] | None:
        """The one row that conditional statements wrote.

        With `is_last` those that are being decided are waited for, which may raise `Undecided`.
        """
        statement = await self._statement(cql)
        bound = statement.bind(values)
        if is_last:
            bound.consistency_level = ConsistencyLevel.LOCAL_SERIAL
        rows = await self._contend(bound)
        return rows[0] if rows else None

    async def _contend(self, bound: Any) -> Rows:
        try:
            return await self._ask(bound, CONDITIONAL)
        except Unavailable as error:
            if isinstance(error.__cause__, WriteTimeout | ReadTimeout):
                raise Undecided(str(error)) from error.__cause__
            raise

    async def pages(self, cql: str, *values: object) -> AsyncIterator[Rows]:
        """All rows, a page at a time."""
        statement = await self._statement(cql)
        live = await self._session()
        bridge = self._loop_bridge()
        bound = statement.bind(values)
        asked = [await self._promise()]
        with _given_up_on_error(asked[0]):
            response = live.execute_async(bound)
        # The driver calls these for every page; the page that is under way is the one asked for.
        response.add_callbacks(
            lambda rows: bridge.answered(rows, asked[0]),
            lambda error: bridge.failed(error, asked[0]),
        )
        yield await _answer(asked[0])
        while response.has_more_pages:
            asked[0] = await self._promise()
            with _given_up_on_error(asked[0]):
                response.start_fetching_next_page()
            yield await _answer(asked[0])

    async def _ask(self, bound: Any, profile: object = EXEC_PROFILE_DEFAULT) -> Rows:
        return await _answer(await self._send(bound, profile))

    async def _send(
        self, bound: Any, profile: object = EXEC_PROFILE_DEFAULT
    ) -> asyncio.Future[Rows]:
        live = self._live or await self._session()
        bridge = self._loop_bridge()
        future = await self._promise()
        with _given_up_on_error(future):
            response = live.execute_async(bound, execution_profile=profile)
        response.add_callbacks(bridge.answered, bridge.failed, (future,), None, (future,))
        return future

    async def _promise(self) -> asyncio.Future[Rows]:
        """A future for an answer; from now until it is there a slot is taken."""
        await self._slots.take()
        future: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        future.add_done_callback(self._give_slot)
        return future

    def _give_slot(self, future: asyncio.Future[Rows]) -> None:
        self._slots.give()
        # It may be that its caller has gone: then nobody else looks.
        if not future.cancelled() and nobody_answers(future.exception()):
            self._seek()

    def _seek(self) -> None:
        """Look where the cluster is now, unless somebody does, or did a moment ago.

        Its nodes may come back at other addresses, and the driver looks names up but once.
        """
        is_seeking = self._seeking is not None and not self._seeking.done()
        now = monotonic_seconds()
        if is_seeking or self._is_closed or now < self._seek_at or not self._address.has_names:
            return
        self._seek_at = now + SEEK_SECONDS
        self._seeking = asyncio.create_task(self._sought(), name="seeking history")

    async def _sought(self) -> None:
        try:
            cluster, live = await asyncio.to_thread(connected, self._address, self._prepare_session)
        except (*UNREACHABLE, KeshikomiError) as error:
            logger.debug("history is not found anew: %s", error)
            return
        if self._is_closed or any(node.is_up for node in nodes_of(self._cluster)):
            superfluous = cluster  # it came back where it was
        else:
            superfluous, self._cluster, self._live = self._cluster, cluster, live
            self._prepared.clear()
            logger.warning("history: Cassandra is at other addresses now")
        await asyncio.to_thread(superfluous.shutdown)

    def _loop_bridge(self) -> Bridge:
        assert self._bridge is not None
        return self._bridge

    async def _statement(self, cql: str, *, is_idempotent: bool = True) -> Any:
        statement: Any = self._prepared.get(cql)
        if statement is None:
            live = await self._session()
            try:
                qualified = _TABLE.sub(rf"\1 {self._address.keyspace}.\2", cql)
                statement = await asyncio.to_thread(live.prepare, qualified)
            except UNREACHABLE as error:
                if nobody_answers(error):
                    self._seek()
                raise unavailable(error) from error
            statement.is_idempotent = is_idempotent
            if live is self._live:  # another one must prepare it again
                self._prepared[cql] = statement
        return statement

    async def _session(self) -> Any:
        """The live session; those who come while it connects share one try."""
        if self._is_closed:
            raise Unavailable("history is closed")
        if self._live is not None:
            return self._live
        if self._connecting is None or self._connecting.done():
            self._bridge = Bridge(asyncio.get_running_loop())
            self._connecting = asyncio.create_task(self._connect(), name="connecting to history")
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> Any:
        try:
            cluster, live = await asyncio.to_thread(connected, self._address, self._prepare_session)
        except UNREACHABLE as error:
            raise unavailable(error) from error
        self._cluster, self._live = cluster, live
        return live

    async def close(self) -> None:
        """End the session; what is still under way is given up."""
        self._is_closed = True
        for task in (self._connecting, self._seeking):
            if task is not None:
                await asyncio.wait([task])
                if not task.cancelled():
                    task.exception()
        if self._cluster is not None:
            await asyncio.to_thread(self._cluster.shutdown)
        self._live = None


def _batch(bound: Sequence[Any]) -> Any:
    # Of one partition it is one mutation, so a log of the batch would protect nothing.
    batch = BatchStatement(BatchType.UNLOGGED)
    batch.is_idempotent = True
    for statement in bound:
        batch.add(statement)
    return batch


@contextmanager
def _given_up_on_error(future: asyncio.Future[Rows]) -> Iterator[None]:
    """Give the slot back when the driver does not even take the request."""
    try:
        yield
    except UNREACHABLE as error:
        future.cancel()
        raise unavailable(error) from error
    except BaseException:
        future.cancel()
        raise


async def _answer(future: asyncio.Future[Rows]) -> Rows:
    try:
        return await future
    except UNREACHABLE as error:
        raise unavailable(error) from error
