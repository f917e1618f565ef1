"""Why a task that should have run on came to its end: none may do so in silence."""

from __future__ import annotations

import asyncio
from typing import Any


class Interrupted(RuntimeError):
    """A task was cancelled, and nobody here had asked for it."""


def why_it_ended(task: asyncio.Future[Any], *, is_wanted: bool) -> BaseException | None:
    """What ended it, or None where it returned, or `is_wanted` says that we cancelled it.

    A library may raise `CancelledError` of its own accord, aiokafka does so around an outage. A
    task that awaits it then ends like one that was asked to, and nothing would tell of it.
    """
    if task.cancelled():
        return None if is_wanted else Interrupted("cancelled by something else than its owner")
    return task.exception()


def is_interrupted() -> bool:
    """Whether the `CancelledError` that is handled now came without a wish to end this task."""
    task = asyncio.current_task()
    return task is not None and not task.cancelling()
