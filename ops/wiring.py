"""The composition root: each process of the product, built from its settings.

What a process does not need it does not import: that halves the time until it is ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import uvloop

from ops.process import raise_open_files
from ops.settings import Settings


def run_api(settings: Settings) -> None:
    """Serve the HTTP API until SIGINT or SIGTERM."""
    from ops.api_process import serve_api  # noqa: PLC0415  # Faust is no part of it

    raise_open_files()
    uvloop.run(serve_api(settings))


def run_worker(settings: Settings, stages: Sequence[str]) -> None:
    """Run the agents of these stages until SIGINT or SIGTERM."""
    from ops.worker_process import work  # noqa: PLC0415  # the API is no part of it

    raise_open_files()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # for the thread of Kafka's client too
    uvloop.run(work(settings, stages))
