"""Timers of a server that may be late: fewer naps on a machine with few cores."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PR_SET_TIMERSLACK = 29
"""prctl(2); a process that is started has the slack of the thread that started it."""
SLACK_NS = 1_000_000


@contextmanager
def late_timers(slack_ns: int = SLACK_NS) -> Iterator[None]:
    """Inside, processes are started whose timers may be so many nanoseconds late (Linux).

    The thread pools of Cassandra wait for work by naps of some ten microseconds. On two cores
    that was 20,000 naps a second, a third of a core, and every nap put others off theirs.
    """
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_TIMERSLACK, slack_ns, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0)  # zero is the default again
