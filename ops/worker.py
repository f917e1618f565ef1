"""A worker process: one Faust app that runs the agents of some stages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import faust
from mode.types import ServiceT

from agents.archiving import Observe as ObserveArchived
from agents.archiving import Publish as PublishChanges
from agents.archiving import archiving
from agents.deadlines import Deadlines
from agents.gathering import Gathering
from agents.lanes import Lanes
from agents.loop import FailStop, Report, Units, looped
from agents.notifying import notifying
from agents.replaying import Replaying
from agents.resolving import resolving
from agents.settling import settling
from agents.together import records_of
from connectors.kafka.forgotten import OnForgotten
from connectors.kafka.recovery import QuickTables
from connectors.log.sqlitelog import SqliteLog
from connectors.log.transport import Transport
from ops.rebuilding import Share, awaits, look_ahead, set_endpoints
from streams.clock import Clock
from streams.domain.ids import MerchantId
from streams.endings import why_it_ended
from streams.messages import AttemptMade
from streams.outages import OnOutage
from streams.ports import Appender, History, Place, Record
from streams.topics import (
    HISTORY,
    INVOICES,
    NOTIFICATIONS,
    QUARANTINE,
    REFERENCES,
    TOPICS,
    group_of_topic,
)
from tables.deliveries import deliveries_table
from tables.endpoints import endpoints_table
from tables.invoices import invoices_table
from tables.pending import Pending
from tables.references import references_table

GATHER_SECONDS = 0.05
"""Nobody waits for history as merchants wait for a webhook: fewer and larger transactions."""
BATCHED_STAGE = "archiving"
"""It writes elsewhere and has no outputs: Faust commits its position once a batch is stored."""

Publish = Callable[[AttemptMade], Awaitable[None]]


class LanesService(Lanes, Protocol):
    """The delivery lanes with their life."""

    async def recall(self) -> None: ...
    async def start(self) -> None: ...
    def pause(self) -> None: ...
    def keep(self, is_ours: Callable[[MerchantId], bool]) -> None: ...
    async def stop(self) -> None: ...

    @property
    def waiting(self) -> int: ...

    @property
    def in_flight(self) -> int: ...


MakeLanes = Callable[[Publish, Pending], LanesService]


class KeshikomiApp(faust.App):
    """Each topic is read by one group, whichever stages share a process."""

    group_of_topic = group_of_topic()
    on_forgotten: OnForgotten | None = None
    """Told by Kafka's driver of records that nobody will read."""
    gather_seconds = 0.0
    """How long the log may let records gather before it hands them out."""
    unit_topics = frozenset(
        topic.name for topic in TOPICS if topic.stage not in {None, BATCHED_STAGE}
    )
    """Their positions move with the steps' own transactions, never by Faust's timer."""

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        """Take Faust's own statistics out of the way: they cost more than most steps do."""
        services = super().on_init_dependencies()
        self.sensors.remove(self.monitor)
        self.sensors.add(faust.Sensor())  # it does nothing, and Faust warns where there is none
        return services


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """What a worker is made of; `history` is needed by the archiving stage only."""

    driver: Mapping[str, Any]
    """What tells Faust which log to use and how."""
    store: str
    partitions: int
    data_dir: str
    stages: Sequence[str]
    clock: Clock
    report: Report
    fail_stop: FailStop
    make_lanes: MakeLanes
    history: History | None
    observe_archived: ObserveArchived
    publish_changes: PublishChanges
    on_outage: OnOutage
    on_forgotten: OnForgotten


class Worker:
    """The app of some stages, with the lanes and the deadlines that belong to them."""

    def __init__(self, parts: WorkerParts) -> None:
        self._parts = parts
        self._tasks: list[asyncio.Task[None]] = []
        self._lanes: LanesService | None = None
        self._deadlines: Deadlines | None = None
        self._beside: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {}
        self._gathering = Gathering[AttemptMade](
            lambda made: self._append(records_of(made, partitions=parts.partitions))
        )
        self._offer: Callable[[], Awaitable[None]] | None = None
        self._share = Share(parts.partitions)
        self._is_sharing = self._is_stopping = False
        self.app = KeshikomiApp(
            f"keshikomi-{'-'.join(parts.stages)}",
            **parts.driver,
            env={},  # else APP_VERSION, BROKER_URL and 80 more would outdo what is said here
            store=parts.store,
            datadir=parts.data_dir,
            topic_partitions=parts.partitions,
            key_serializer="raw",
            value_serializer="raw",
            web_enabled=False,
            broker_commit_interval=0.5,
            topic_disable_leader=True,
            table_standby_replicas=0,
            stream_wait_empty=True,
            stream_buffer_maxsize=4096,
            TableManager=QuickTables,
        )
        makers = {
            "resolving": self._resolving,
            "settling": self._settling,
            "notifying": self._notifying,
            "archiving": self._archiving,
        }
        self.app.on_forgotten = parts.on_forgotten
        if list(parts.stages) == [BATCHED_STAGE]:
            self.app.gather_seconds = GATHER_SECONDS
        for stage in parts.stages:
            makers[stage]()

    # -- stages

    def _agent(self, stage: str, topics: Sequence[str], body: Any) -> None:
        source = self.app.topic(
            *topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        self.app.agent(source, name=stage)(body)

    def _step(self, stage: str, topic: str, step: Any) -> None:
        body = looped(
            stage,
            step,
            units=lambda: cast("Units", self.app.producer),
            report=self._parts.report,
            fail_stop=self._parts.fail_stop,
        )
        self._agent(stage, [topic], body)

    def _resolving(self) -> None:
        table = references_table(self.app, partitions=self._parts.partitions)
        self._step("resolving", REFERENCES.name, resolving(references=table))

    def _settling(self) -> None:
        table = invoices_table(self.app, partitions=self._parts.partitions)
        deadlines = Deadlines(
            publish=self._append,
            is_open=lambda invoice_id: awaits(table.get(invoice_id.encode())),
            clock=self._parts.clock,
        )
        self._deadlines = deadlines
        self._step("settling", INVOICES.name, settling(invoices=table, watch=deadlines.watch))
        self._beside["deadlines"] = deadlines.run
        self._beside["looking ahead"] = lambda: look_ahead(table, deadlines)

    def _notifying(self) -> None:
        endpoints = endpoints_table(self.app, partitions=self._parts.partitions)
        pending = deliveries_table(self.app, partitions=self._parts.partitions)
        lanes = self._parts.make_lanes(self._gathering.append, pending)
        self._lanes = lanes
        step = notifying(endpoints=endpoints, pending=pending, lanes=lanes)
        self._step("notifying", NOTIFICATIONS.name, step)
        self._offer = lambda: set_endpoints(endpoints, lanes)

    def _archiving(self) -> None:
        history = self._parts.history
        assert history is not None, "the archiving stage needs history"
        body = archiving(
            history=history,
            observe=self._parts.observe_archived,
            publish=self._parts.publish_changes,
            on_outage=self._parts.on_outage,
            fail_stop=self._parts.fail_stop,
        )
        self._agent("archiving", [HISTORY.name, QUARANTINE.name], body)
        replaying = Replaying(
            history=history,
            publish=self._append,
            is_ours=lambda merchant: self._share.has(HISTORY.name, merchant),
            clock=self._parts.clock,
        )
        self._beside["replaying"] = replaying.run

    # -- the log, for what runs outside the agents

    @property
    def log_file(self) -> SqliteLog:
        """The log that the app's embedded driver writes to."""
        return cast("Transport", self.app.transport).log_file

    @property
    def lanes(self) -> LanesService | None:
        """The delivery lanes, where this worker runs the notifying stage."""
        return self._lanes

    @property
    def stages(self) -> Sequence[str]:
        """What this worker runs."""
        return self._parts.stages

    async def _append(self, records: Sequence[Record]) -> Sequence[Place]:
        return await cast("Appender", self.app.producer).append(records)

    # -- life

    async def start(self) -> None:
        """Start the app; returns when its tables are recovered and it takes work."""
        self.app.loop = asyncio.get_running_loop()
        # Rows come and go with partitions when other workers join or leave: see `_revoked`.
        self.app.on_partitions_revoked.connect(self._revoked)
        self.app.on_partitions_assigned.connect(self._assigned)
        self.app.on_rebalance_complete.connect(self._recovered)
        await self.app.start()
        await self.app.tables.recovery.completed.wait()  # type: ignore[attr-defined]  # missing in Faust's types
        for name, work in self._beside.items():
            self._run(name, work())

    async def _revoked(self, *_: object, **__: object) -> None:
        """Partitions are shared out anew: nothing is sent until it is known whose they are."""
        self._is_sharing = True
        if self._lanes is not None:
            self._lanes.pause()

    async def _assigned(self, *said: Any, **__: object) -> None:
        """Let go of what is another worker's now, while tables fill with what came here."""
        self._is_sharing = False
        self._share.become(said[-1])
        if self._lanes is not None:
            self._lanes.keep(lambda merchant: self._share.has(NOTIFICATIONS.name, merchant))
        if self._deadlines is not None:
            self._deadlines.keep(lambda invoice: self._share.has(INVOICES.name, invoice))

    async def _recovered(self, *_: object, **__: object) -> None:
        """The tables hold all that is ours, and no step runs yet: take up what is under way."""
        if self._deadlines is not None:
            self._deadlines.look_again()
        if self._lanes is not None and self._offer is not None:
            await self._offer()
            await self._lanes.recall()
            if not (self._is_sharing or self._is_stopping):
                await self._lanes.start()

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))
        self._tasks[-1].add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if (error := why_it_ended(task, is_wanted=self._is_stopping)) is not None:
            self._parts.fail_stop(task.get_name(), error)

    async def stop(self) -> None:
        """Finish what is under way and make it durable."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        if self._lanes is not None:
            await self._lanes.stop()
        await self.app.stop()
