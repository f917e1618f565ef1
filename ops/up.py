"""What `keshikomi up` runs: every part of the product, as supervised processes."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable

from ops.children import ChildSpec
from ops.data_directory import make_data_directory
from ops.installation import begin
from ops.keys import with_keys
from ops.listening import must_be_free
from ops.logs import configure
from ops.metrics_files import clear, forget
from ops.settings import Settings
from ops.supervisor import Bounds, Supervisor
from streams.topics import STAGES

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that prometheus_client reads."""


def parts(settings: Settings) -> tuple[ChildSpec, ...]:
    """The processes in the order of their start; history has its own, so that it slows nobody.

    On Kafka every stage has, since there an app that gains or loses a worker stops all its agents.
    """
    itself = (sys.executable, "-m", "ops.cli")
    stages = {"worker": "resolving,settling,notifying", "archiver": "archiving"}
    if settings.kafka is not None:
        stages = dict(zip(STAGES, STAGES, strict=True))
    workers = [
        ChildSpec(name=name, command=(*itself, "worker", "--stage", stage))
        for name, stage in stages.items()
    ]
    return (*workers, ChildSpec(name="api", command=(*itself, "api")))


def run_up(settings: Settings, *, announce: Callable[[], None]) -> bool:
    """Run until a signal; true when everything ended cleanly."""
    make_data_directory(settings.data)
    configure(process="up", level=settings.log_level, log_format=settings.log_format)
    logging.getLogger("keshikomi").info("starts with %r", settings)

    def prepare() -> None:
        """Under the lock: what must be there before any part starts."""
        must_be_free(settings.host, settings.port)
        whole = with_keys(settings)
        clear(settings.metrics_path)
        begin(whole, with_history=True)

    async def supervise() -> bool:
        supervisor = Supervisor(
            parts(settings),
            lock_path=settings.lock_path,
            environment={**settings.flags(), METRICS_DIRECTORY: str(settings.metrics_path)},
            bounds=Bounds(start=settings.start_seconds, shutdown=settings.shutdown_seconds),
            prepare=prepare,
            announce=announce,
            forget=lambda process: forget(settings.metrics_path, process),
        )
        return await supervisor.run()

    return asyncio.run(supervise())
