"""The API process: builds the HTTP application from the settings and serves it."""

from __future__ import annotations

import contextlib
import hashlib

from aiohttp import web
from prometheus_client import REGISTRY, Gauge

from api.app import make_app, make_runner
from api.ports import ApiLimits, ApiPorts
from connectors.cache.opening import open_cache
from connectors.channel import load_channels
from connectors.history.opening import open_history
from connectors.log.sqlitelog import SqliteLog
from connectors.log.tail import LogTail
from connectors.sealing import Sealer
from ops.engines import setup
from ops.metrics_files import metrics_text
from ops.process import (
    make_sender,
    product_version,
    settle_memory,
    share_the_interpreter,
    stop_signal,
)
from ops.settings import Settings
from ops.supervisor import report_ready
from streams.clock import system_clock

RATE_BURST_SECONDS = 2
"""So many seconds of calls at the limit may come at once."""
NO_LIMIT_PER_SECOND = 1_000_000_000
"""What the setting 0 means, in calls."""
LISTEN_BACKLOG = 1_024


async def serve_api(settings: Settings) -> None:
    """Serve until a signal ends it; requests under way are answered first."""
    setup(settings)
    history = open_history(settings.history)
    cache_up = Gauge("keshikomi_cache_up", "Whether the shared cache answers")
    cache_up.set(1)
    cache = open_cache(settings.cache, password=settings.cache_password, observe=cache_up.set)
    sender = make_sender(settings)
    await sender.start()
    # A log that cannot be written is answered with 503; the process goes on and tries again.
    with contextlib.closing(SqliteLog(settings.log_path, on_failure=None)) as log:
        tail = LogTail(log)
        app = make_app(
            ApiPorts(
                appender=log,
                tail=tail,
                history=history,
                channels=load_channels(),
                cache=cache,
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
        )
        runner = make_runner(app)
        await runner.setup()
        await web.TCPSite(runner, settings.host, settings.port, backlog=LISTEN_BACKLOG).start()
        settle_memory()
        share_the_interpreter()
        report_ready()
        await stop_signal()
        await runner.cleanup()
        tail.close()
    await sender.close()
    await history.close()
    await cache.close()


def _api_limits(settings: Settings) -> ApiLimits:
    per_second = settings.rate_limit_per_second or NO_LIMIT_PER_SECOND
    return ApiLimits(
        requests_per_second=float(per_second),
        requests_burst=per_second * RATE_BURST_SECONDS,
    )
