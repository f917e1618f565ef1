"""A worker process: builds the agents of some stages from the settings and runs them."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from socket import gethostname
from typing import Any
from urllib.parse import quote

from agents.delivery import DeliveryLanes
from agents.flights import Outside
from connectors.cache.opening import open_cache
from connectors.cache.standings import CachedStandings
from connectors.kafka.store import register as register_store
from connectors.kafka.store import url_of
from connectors.kafka.transport import register as register_kafka
from connectors.kafka.transport import worker_options
from connectors.log.transport import STORE_SCHEME
from connectors.log.transport import register as register_embedded
from connectors.sealing import Sealer
from connectors.targets import Targets
from connectors.webhooks import WebhookSender
from ops.audit import lag_by_stage
from ops.belonging import ready_to_archive
from ops.engines import (
    EmbeddedLog,
    Log,
    open_log,
    open_the_history,
    open_the_signals,
)
from ops.installation import begin
from ops.process import fail_stop, make_sender, settle_memory, share_the_interpreter, stop_signal
from ops.settings import BadSettings, Settings
from ops.supervisor import report_ready
from ops.telemetry import Telemetry
from ops.worker import BATCHED_STAGE, MakeLanes, Publish, Worker, WorkerParts
from streams.clock import monotonic_seconds, system_clock
from streams.domain.errors import Unavailable
from streams.endings import why_it_ended
from streams.hints import Signals, Standings
from streams.ports import History
from tables.pending import Pending

GAUGE_SECONDS = 1.0
HISTORY_NICENESS = 10
"""A merchant waits for the webhook, nobody for the row: history takes what is left of a core."""
UPKEEP_SECONDS = 30.0
EXPIRE_SECONDS = 3_600.0
EXPIRE_PARTS = 24
"""Each hour of the day has its part of history, so that all of it is gone through once a day."""

logger = logging.getLogger("keshikomi")


async def work(settings: Settings, stages: Sequence[str]) -> None:
    """Run the stages until a signal ends them; what is under way becomes durable first."""
    if list(stages) == [BATCHED_STAGE]:
        os.nice(HISTORY_NICENESS)
    installation = begin(settings)
    telemetry = Telemetry()
    async with AsyncExitStack() as ends:
        signals = open_the_signals(settings)
        ends.push_async_callback(signals.close)
        history = None
        if BATCHED_STAGE in stages:
            history = open_the_history(settings)
            ends.push_async_callback(history.close)
            outage = telemetry.record_outage
            if not await ready_to_archive(history, installation, settings, outage):
                return
        lanes = await _open_lanes(settings, telemetry, ends)
        name = installation.installation_id
        parts = worker_parts(
            settings, stages, telemetry, lanes, name, history=history, signals=signals
        )
        worker = Worker(parts)
        await worker.start()
        ends.push_async_callback(worker.stop)
        log = _open_log(settings, worker, ends)
        chores = [_show_gauges(worker, log, telemetry)]
        if history is not None:
            chores.append(_keep_history(history, settings))
            if isinstance(log, EmbeddedLog):
                chores.append(_keep_log(log))
        async with _running(chores):
            settle_memory()
            share_the_interpreter()
            report_ready()
            await stop_signal()


def _open_log(settings: Settings, worker: Worker, ends: AsyncExitStack) -> Log:
    """The worker's own on a file, or another connection to Kafka."""
    if settings.kafka is None:
        return EmbeddedLog(worker.log_file)
    log = open_log(settings)
    ends.push_async_callback(log.close)
    return log


async def _open_lanes(settings: Settings, telemetry: Telemetry, ends: AsyncExitStack) -> MakeLanes:
    """The lanes with what they need: a sender, and what is known of how endpoints stand."""
    sender = make_sender(settings)
    await sender.start()
    ends.push_async_callback(sender.close)
    cache = open_cache(settings.cache, password=settings.cache_password)
    ends.push_async_callback(cache.close)
    standings = CachedStandings(cache)
    ends.push_async_callback(standings.close)
    return make_lanes(settings, telemetry, sender, standings)


def make_lanes(
    settings: Settings, telemetry: Telemetry, sender: WebhookSender, standings: Standings
) -> MakeLanes:
    """How to make the delivery lanes once it is known how attempts are published."""
    targets = Targets(Sealer(settings.master_keys))

    def make(publish: Publish, pending: Pending) -> DeliveryLanes:
        outside = Outside(
            send=sender.send,
            open_target=lambda endpoint: targets.open(endpoint, system_clock()),
            publish=publish,
            fraction=random.random,
            observe=telemetry.observe_attempt,
            monotonic=monotonic_seconds,
            fail_stop=lambda reason: fail_stop("delivering", RuntimeError(reason)),
        )
        return DeliveryLanes(outside, pending=pending, clock=system_clock, standings=standings)

    return make


def worker_parts(
    settings: Settings,
    stages: Sequence[str],
    telemetry: Telemetry,
    lanes: MakeLanes,
    installation: str = "",
    *,
    history: History | None,
    signals: Signals,
) -> WorkerParts:
    """What the worker is made of."""
    return WorkerParts(
        driver=driver_of(settings, stages),
        store=f"{STORE_SCHEME}://"
        if settings.kafka is None
        else url_of(settings.table_store, installation),
        partitions=settings.partitions,
        data_dir=str(own_folder(settings, stages)),
        stages=stages,
        clock=system_clock,
        report=telemetry.record_step,
        fail_stop=fail_stop,
        make_lanes=lanes,
        history=history,
        observe_archived=telemetry.observe_archived,
        publish_changes=signals.publish,
        on_outage=telemetry.record_outage,
        on_forgotten=telemetry.record_forgotten,
    )


def driver_of(settings: Settings, stages: Sequence[str]) -> Mapping[str, Any]:
    """Which log Faust uses, and how; raises `BadSettings`."""
    connection = settings.kafka
    if connection is None:
        register_embedded()
        return {"broker": settings.broker}
    if len(stages) != 1:
        text = "--stage: on Kafka each worker runs one stage, so that none stops another's"
        raise BadSettings((text,))
    register_kafka()
    register_store()
    return worker_options(connection, instance_of(settings, stages))


def instance_of(settings: Settings, stages: Sequence[str]) -> str:
    """The name of this worker within its group, which nothing else has at the same time."""
    return f"{'-'.join(stages)}-{settings.worker_name or gethostname()}"


def own_folder(settings: Settings, stages: Sequence[str]) -> Path:
    """Where this worker, and no other on this machine, keeps what is not in the log; made here."""
    folder = settings.data / "run" / "tables"
    if settings.kafka is not None:
        folder /= quote(instance_of(settings, stages), safe="")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@asynccontextmanager
async def _running(chores: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run chores beside the block; one that fails stops the process."""
    is_over = False

    def ended(task: asyncio.Task[None]) -> None:
        if (error := why_it_ended(task, is_wanted=is_over)) is not None:
            fail_stop("upkeep", error)

    tasks = [asyncio.create_task(chore) for chore in chores]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    finally:
        is_over = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- chores


async def _show_gauges(worker: Worker, log: Log, telemetry: Telemetry) -> None:
    partitions = log.partitions()
    while True:
        try:
            lag = lag_by_stage(await log.positions(), partitions)
        except Unavailable as error:
            logger.warning("the lag is not known: %s", error)
        else:
            for stage in worker.stages:
                telemetry.show_lag(stage, lag[stage])
        lanes = worker.lanes
        if lanes is not None:
            telemetry.show_deliveries(waiting=lanes.waiting, in_flight=lanes.in_flight)
        await asyncio.sleep(GAUGE_SECONDS)


async def _keep_log(log: EmbeddedLog) -> None:
    """Let the log forget what every group has read and what its retention allows."""
    while True:
        await asyncio.sleep(UPKEEP_SECONDS)
        await _try(partial(asyncio.to_thread, log.appender.maintain), "keeping the log")


async def _keep_history(history: History, settings: Settings) -> None:
    while True:
        now = system_clock()
        before = now - timedelta(days=settings.history_retention_days)
        expire = partial(history.expire, before, part=now.hour, parts=EXPIRE_PARTS)
        await _try(expire, "expiring history")
        await asyncio.sleep(EXPIRE_SECONDS)


async def _try(chore: Callable[[], Awaitable[object]], what: str) -> None:
    """Upkeep can wait for an engine that is away; it comes again."""
    try:
        await chore()
    except Unavailable as error:
        logger.warning("%s failed and is tried again later: %s", what, error)
