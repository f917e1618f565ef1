"""The composition root: each process of the product, built from its settings.

What a process does not need it does not import: that halves the time until it is ready.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvloop

from ops.process import raise_open_files
from ops.settings import Settings
from streams.domain.errors import NotOurs

FAUST_READS = ("F_", "FAUST_", "NO_CYTHON")
"""How the names begin of the variables that Faust reads when it is imported."""


def run_api(settings: Settings) -> None:
    """Serve the HTTP API until SIGINT or SIGTERM."""
    from ops.api_process import serve_api  # noqa: PLC0415  # Faust is no part of it

    raise_open_files()
    with _told():
        uvloop.run(serve_api(settings))


def run_worker(settings: Settings, stages: Sequence[str]) -> None:
    """Run the agents of these stages until SIGINT or SIGTERM."""
    _deafen()
    from ops.worker_process import work  # noqa: PLC0415  # the API is no part of it

    raise_open_files()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # for the thread of Kafka's client too
    with _told():
        uvloop.run(work(settings, stages))


@contextmanager
def _told() -> Iterator[None]:
    """An engine that is not ours is an alarm, also where nobody sees how the process ends."""
    try:
        yield
    except NotOurs as error:
        logging.getLogger("keshikomi").critical("%s", error)
        raise


def _deafen() -> None:
    """Take out what Faust reads when it is imported, none of which is a setting of the product.

    `FAUST_LOOP` may name a loop that is not there, a service of Kubernetes that is called
    `faust-web` makes `FAUST_WEB_PORT` a URL, and either would end the worker. `NO_CYTHON`, which
    builds of other things use, would choose code that we have not tried. (What Faust reads later
    the worker's app keeps from it.) Left are `AIOKAFKA_NO_EXTENSIONS`, with which Kafka is slower
    and nothing else, and `DEVLOG`, `TYPEXPR_DEBUG` and `DJANGO_SETTINGS_MODULE`, which concern
    parts of Faust that we do not use.
    """
    for name in [name for name in os.environ if name.startswith(FAUST_READS)]:
        del os.environ[name]
