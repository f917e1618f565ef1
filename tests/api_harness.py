"""One API process, or several, over a real log and a real history, with the steps beside them."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from agents.archiving import subjects_of
from agents.notifying import notifying
from agents.resolving import resolving
from agents.settling import settling
from agents.step import Envelope, Step
from api.app import make_app
from api.ports import ApiLimits, ApiPorts
from connectors.cache.memory import MemoryCache
from connectors.channel import load_channels
from connectors.channels.generic import signature
from connectors.history.sqlite import SqliteHistory
from connectors.log.sqlitelog import SqliteLog
from connectors.log.tail import LogTail
from connectors.sealing import Sealer
from connectors.signals.bells import BellSignals
from streams.codecs import decode_archived
from streams.domain.errors import RemoteError
from streams.hints import Signals
from streams.ports import Archived, Fetched
from streams.topics import (
    HISTORY,
    INVOICES,
    NOTIFICATIONS,
    QUARANTINE,
    REFERENCES,
    TOPICS,
    Topic,
    group_of_topic,
)
from tests.api_conformance import Conformance
from tests.fakes import (
    FailingAppender,
    FailingHistory,
    FakeLanes,
    FakeWebhooks,
    ManualClock,
    ManualSeconds,
)
from tests.pending_rows import PendingDicts

ADMIN_KEY = "admin-key-of-the-tests"
MASTER_KEY = b"m" * 32
PARTITIONS = 2
WORKED = (REFERENCES, INVOICES, NOTIFICATIONS, HISTORY, QUARANTINE)
GENERIC_SECRET = "a-secret-of-the-tests"
WAKE_SECONDS = 0.02
LARGE_BYTES = 1_000_000


@dataclass
class Answered:
    """An answer, read to its end."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Api:
    """A client of one API process; every answer is compared with its OpenAPI."""

    client: TestClient[Any, Any]
    conformance: Conformance
    key: str = ""

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: bytes | None = None,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        sent = dict(headers or {})
        bearer = self.key if key is None else key
        if bearer:
            sent.setdefault("Authorization", f"Bearer {bearer}")
        if json is not None:
            data = orjson.dumps(json)
            sent.setdefault("Content-Type", "application/json")
        # aiohttp's client warns of large bodies that are not files.
        body = io.BytesIO(data) if data and len(data) > LARGE_BYTES else data
        response = await self.client.request(method, path, data=body, headers=sent)
        answered = await _read(response)
        self.conformance.check(method, path, answered.status, answered.headers, answered.body)
        return answered

    async def get(self, path: str, **more: Any) -> Answered:
        return await self.call("GET", path, **more)

    async def post(self, path: str, json: object = None, **more: Any) -> Answered:
        return await self.call("POST", path, json=json, **more)

    async def notice(
        self, account: str, body: object, *, secret: str = GENERIC_SECRET, **headers: str
    ) -> Answered:
        """A notice in our own format, signed."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        signed = {
            "Content-Type": "application/json",
            "X-Keshikomi-Signature": signature(data, secret),
            **headers,
        }
        path = f"/channels/{account}/notices"
        return await self.call("POST", path, data=data, headers=signed, key="")


async def _read(response: ClientResponse) -> Answered:
    body = await response.read()
    return Answered(response.status, body, {k.lower(): v for k, v in response.headers.items()})


@dataclass
class World:
    """The engines, the clocks, and what was built on them."""

    log: SqliteLog
    tail: LogTail
    appender: FailingAppender
    history: FailingHistory
    signals: Signals
    clock: ManualClock
    seconds: ManualSeconds
    webhooks: FakeWebhooks
    lanes: FakeLanes
    limits: ApiLimits
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)

    def ports(self, **changes: Any) -> ApiPorts:
        given: dict[str, Any] = {
            "appender": self.appender,
            "tail": LogTail(self.log),
            "history": self.history,
            "channels": load_channels(),
            "cache": MemoryCache(seconds=self.seconds),
            "signals": self.signals,
            "sealer": Sealer([MASTER_KEY]),
            "clock": self.clock,
            "admin_key_hash": hashlib.sha256(ADMIN_KEY.encode()).hexdigest(),
            "webhooks": self.webhooks,
            "limits": self.limits,
            "version": "0.1.0",
        }
        return ApiPorts(**{**given, **changes})

    @asynccontextmanager
    async def api(self, **changes: Any) -> AsyncIterator[Api]:
        """One API process."""
        ports = self.ports(**changes)
        server = TestServer(make_app(ports))
        async with TestClient(server) as client:
            document = await (await client.get("/openapi.json")).json()
            yield Api(client, Conformance(document))
        tail = ports.tail
        assert isinstance(tail, LogTail)
        tail.close()

    async def settle(self) -> None:
        """Let the steps and the archive do all that there is to do."""
        while await self._round():
            pass

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """The steps at work beside the block."""

        async def work() -> None:
            while True:
                await self.settle()
                await self.tail.wait(WAKE_SECONDS)

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def archive(self) -> None:
        """History alone at work: the steps before it lag."""
        await self._round((HISTORY, QUARANTINE))

    async def advance(self) -> None:
        """The steps alone at work: history lags."""
        await self._round([topic for topic in WORKED if topic.name in self.steps])

    async def _round(self, topics: Sequence[Topic] = WORKED) -> int:
        done = 0
        for topic in topics:
            for partition in range(PARTITIONS):
                fetched = await self._new(topic.name, partition)
                done += len(fetched)
                if topic.name in self.steps:
                    for record in fetched:
                        await self._step(record)
                    await self._taken(topic, partition)
                elif fetched:
                    await self._store([_archived(record) for record in fetched])
        return done

    async def _store(self, batch: Sequence[Archived]) -> None:
        await self.history.store(batch)
        self.signals.publish({subject for each in batch for subject in subjects_of(each)})

    async def _taken(self, topic: Topic, partition: int) -> None:
        group = group_of_topic()[topic.name]
        partition_id = self.log.catalog.get(topic.name).partition_ids[partition]
        position = self.positions.get((topic.name, partition), 0)
        await self.log.barrier([(group, partition_id, position)])

    async def _step(self, record: Fetched) -> None:
        envelope = Envelope(
            key=record.key,
            value=record.value or b"",
            place=record.place,
            now=self.clock(),
        )
        try:
            result = self.steps[record.place.topic](envelope)
        except RemoteError:
            return
        if result.records:
            await self.log.append(result.records)

    async def _new(self, topic: str, partition: int) -> list[Fetched]:
        position = self.positions.get((topic, partition), 0)
        fetched = list(await self.tail.fetch(topic, partition, position, 1_000))
        if fetched:
            self.positions[topic, partition] = fetched[-1].place.offset + 1
        return fetched


def _archived(record: Fetched) -> Archived:
    message = decode_archived(record.value or b"")
    return Archived(message=message, place=record.place, recorded_at=record.recorded_at)


@asynccontextmanager
async def a_world(directory: Path, *, limits: ApiLimits | None = None) -> AsyncIterator[World]:
    """Empty engines in a directory."""
    clock = ManualClock()
    log = SqliteLog(directory / "log.db", on_failure=None, clock=clock)
    for topic in TOPICS:
        partitions = 1 if topic.single_partition else PARTITIONS
        log.create_topic(topic.name, partitions, topic.compacted, topic.retention_seconds)
    history, lanes = SqliteHistory(directory / "history.db"), FakeLanes()
    tail = LogTail(log)
    world = World(
        log=log,
        tail=tail,
        appender=FailingAppender(log),
        history=FailingHistory(history),
        signals=BellSignals(directory / "signals"),
        clock=clock,
        seconds=ManualSeconds(),
        webhooks=FakeWebhooks(),
        lanes=lanes,
        limits=limits or ApiLimits(effect_seconds_max=5.0),
        steps={
            "references": resolving(references={}),
            "invoices": settling(invoices={}, watch=lambda *_: None),
            "notifications": notifying(endpoints={}, pending=PendingDicts(), lanes=lanes),
        },
    )
    try:
        yield world
    finally:
        tail.close()
        await world.signals.close()
        await history.close()
        log.close()
