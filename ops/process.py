"""What every process of the product has in common: its webhook client and how it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from importlib.metadata import version

from connectors.webhooks import WebhookSender
from ops.settings import Settings
from streams.clock import system_clock

EXIT_FAIL_STOP = 70
GC_THRESHOLDS = (50_000, 20, 100)
"""Python's own (700, 10, 10) suits scripts; see `settle_memory`."""
OPEN_FILES = 65_536
"""Connections are files; the usual 1,024 would end deliveries to many merchants."""

SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while others wait; see `share_the_interpreter`."""

logger = logging.getLogger("keshikomi")


def fail_stop(where: str, error: BaseException) -> None:
    """End the process before anything can be acknowledged; the supervisor starts a new one."""
    logger.critical("%s stops the process", where, exc_info=error)
    os._exit(EXIT_FAIL_STOP)


def product_version() -> str:
    """The version of the installed product."""
    return version("keshikomi")


def make_sender(settings: Settings) -> WebhookSender:
    """The HTTP client of webhooks; start it before use."""
    return WebhookSender(
        clock=system_clock,
        version=product_version(),
        allow_private=settings.allow_private_endpoints,
        connect_seconds=settings.webhook_connect_timeout_seconds,
        total_seconds=settings.webhook_timeout_seconds,
    )


def raise_open_files() -> None:
    """Allow as many open files as the system lets us, up to `OPEN_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def settle_memory() -> None:
    """Take what start-up made out of the garbage collector's sight, and let it look less often.

    A full collection over hundreds of thousands of imported objects and table rows holds up every
    notice for tens of milliseconds, and finds nothing: steps leave no cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def share_the_interpreter() -> None:
    """Let threads take turns more often than every 5 ms, Python's own choice.

    The log's writer takes the interpreter lock back after each statement; waiting 5 ms for it, it
    holds up every notice of the next commit (a fifth of the latency's 99th percentile at 200/s).
    """
    sys.setswitchinterval(SWITCH_SECONDS)


async def stop_signal() -> None:
    """Return when SIGINT or SIGTERM has come. What comes then is passed over, as the end has begun.

    When it is cancelled, nobody waits for signals any more, and the next one ends the process.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    try:
        await stopping.wait()
    except asyncio.CancelledError:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        raise
