"""One family of processes on a data directory: a lock that lasts until its last process ended."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from streams.clock import monotonic_seconds
from streams.domain.errors import Conflict

ORPHANS_WAIT_SECONDS_MAX = 30.0
RETRY_SECONDS = 0.05
PID_BYTES_MAX = 32


class Lock:
    """Held by a supervisor and, through `descriptor`, by every process that inherits it.

    So it outlives a supervisor that was killed exactly as long as its children do, and whoever
    gets the lock knows that none of them is left.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    async def take(self, wait_seconds_max: float = ORPHANS_WAIT_SECONDS_MAX) -> None:
        """Take the lock, or raise `Conflict`: at once while its owner lives, else after a wait."""
        deadline = monotonic_seconds() + wait_seconds_max
        while not self.try_take():
            owner = self.owner()
            if owner is not None and is_alive(owner):
                raise Conflict(f"keshikomi already runs on {self._path.parent} (pid {owner})")
            if monotonic_seconds() >= deadline:
                raise Conflict(
                    f"processes of an earlier start (pid {owner}, which is gone) still run on "
                    f"{self._path.parent} after {wait_seconds_max:g} s; end them first "
                    f"(`fuser {self._path}` names them)"
                )
            await asyncio.sleep(RETRY_SECONDS)

    def try_take(self) -> bool:
        """Take the lock if it is free, and write down who has it."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self._write(f"{os.getpid()}\n".encode())
        return True

    def _write(self, text: bytes) -> None:
        """Over what stands there: a file that is emptied first may find no room any more."""
        try:
            os.pwrite(self.descriptor, text, 0)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        os.ftruncate(self.descriptor, len(text))

    def owner(self) -> int | None:
        """The process id that the last owner wrote down."""
        written = os.pread(self.descriptor, PID_BYTES_MAX, 0).strip()
        return int(written) if written.isdigit() else None

    def release(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


def is_alive(pid: int) -> bool:
    """Whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def owner_of(path: Path) -> int | None:
    """Who holds the lock now, if anyone; takes nothing and makes nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.pread(descriptor, PID_BYTES_MAX, 0).strip()
        return int(written) if written.isdigit() else None
    finally:
        os.close(descriptor)
    return None
