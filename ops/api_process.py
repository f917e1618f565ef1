"""The API process: builds the HTTP application from the settings and serves it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging

from aiohttp import web
from prometheus_client import REGISTRY, Gauge

from api.app import make_app, make_runner
from api.ports import ApiLimits, ApiPorts
from connectors.cache.memory import MemoryCache
from connectors.cache.opening import open_cache
from connectors.cache.redis import RedisCache
from connectors.cache.sqlite import SqliteCache
from connectors.channel import load_channels
from connectors.sealing import Sealer
from ops.belonging import begun, settle
from ops.engines import Log, open_log, open_the_history, open_the_signals
from ops.installation import begin
from ops.metrics_files import metrics_text
from ops.process import (
    fail_stop,
    make_sender,
    product_version,
    settle_memory,
    share_the_interpreter,
    stop_signal,
)
from ops.settings import Settings
from ops.supervisor import report_ready
from streams.clock import system_clock
from streams.domain.errors import Unavailable
from streams.installations import Installation
from streams.ports import History

RATE_BURST_SECONDS = 2
"""So many seconds of calls at the limit may come at once."""
NO_LIMIT_PER_SECOND = 1_000_000_000
"""What the setting 0 means, in calls."""
LISTEN_BACKLOG = 1_024

logger = logging.getLogger("keshikomi")


async def serve_api(settings: Settings) -> None:
    """Serve until a signal ends it; requests under way are answered first."""
    installation = begin(settings)
    history = open_the_history(settings)
    cache = _open_cache(settings)
    sender = make_sender(settings)
    await sender.start()
    # A log that cannot be written is answered with 503; the process goes on and tries again.
    async with contextlib.AsyncExitStack() as ends:
        log = open_log(settings)
        ends.push_async_callback(log.close)
        await _see_whose_history(history, log, installation, settings, ends)
        signals = open_the_signals(settings)
        ends.push_async_callback(signals.close)
        ports = ApiPorts(
            appender=log.appender,
            tail=log.tail,
            history=history,
            channels=load_channels(),
            cache=cache,
            signals=signals,
            sealer=Sealer(settings.master_keys),
            clock=system_clock,
            admin_key_hash=hashlib.sha256(settings.admin_key.encode()).hexdigest(),
            webhooks=sender,
            allow_private_endpoints=settings.allow_private_endpoints,
            limits=_api_limits(settings),
            registry=REGISTRY,
            metrics_text=metrics_text,
            version=product_version(),
        )
        await _serve(make_runner(make_app(ports)), settings)
    await sender.close()
    await history.close()
    await cache.close()


async def _see_whose_history(
    history: History,
    log: Log,
    installation: Installation,
    settings: Settings,
    ends: contextlib.AsyncExitStack,
) -> None:
    """Raise `NotOurs` at once if it is known by then; later it ends the process."""

    def told(error: Unavailable, _: float) -> None:
        logger.warning("whose history it is will be seen when it answers: %s", error)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            fail_stop("history", error)

    task = await begun(settle(history, log, installation, settings, archives=False, on_outage=told))
    task.add_done_callback(ended)
    ends.callback(task.cancel)


async def _serve(runner: web.AppRunner, settings: Settings) -> None:
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port, backlog=LISTEN_BACKLOG).start()
    settle_memory()
    share_the_interpreter()
    report_ready()
    await stop_signal()
    await runner.cleanup()


def _open_cache(settings: Settings) -> MemoryCache | SqliteCache | RedisCache:
    up = Gauge("keshikomi_cache_up", "Whether the shared cache answers")
    up.set(1)
    return open_cache(settings.cache, password=settings.cache_password, observe=up.set)


def _api_limits(settings: Settings) -> ApiLimits:
    per_second = settings.rate_limit_per_second or NO_LIMIT_PER_SECOND
    return ApiLimits(
        requests_per_second=float(per_second),
        requests_burst=per_second * RATE_BURST_SECONDS,
    )
