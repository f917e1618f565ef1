"""Locks between processes: the fair gate around each transaction, and the lease of a group."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.room import take_room
from streams.clock import monotonic_seconds
from streams.domain.errors import Unavailable

_TOKEN_BYTES = 16

logger = logging.getLogger(__name__)

LEASE_WAIT_SECONDS_MAX = 30.0
_LEASE_RETRY_SECONDS = 0.05


class Gate:
    """A lock on a side file that is fair and wakes its waiter at once.

    SQLite's own busy handler sleeps between tries, so under load one process starves for
    seconds. The side file also remembers who came through last: whoever finds his own token
    knows that nobody else wrote since, and may trust what he remembers.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        take_room(self._file, _TOKEN_BYTES, path)
        self._last = mmap.mmap(self._file, _TOKEN_BYTES)
        self._token = secrets.token_bytes(_TOKEN_BYTES)

    def enter(self) -> bool:
        """Wait for the gate; true when someone else came through since the last time."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        changed = self._last[:] != self._token
        if changed:
            self._last[:] = self._token
        return changed

    def leave(self) -> None:
        """Let the next one in."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The gate for the length of a block."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def close(self) -> None:
        """Give the side file back."""
        self._last.close()
        os.close(self._file)


class Lease:
    """The right to consume as one group, held by at most one process; it ends with the process."""

    def __init__(self, directory: Path, group: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.group = group
        digest = hashlib.sha256(group.encode()).hexdigest()
        self._path = directory / f"{digest[:32]}.lease"
        self._file: int | None = None

    async def take(self, wait_seconds_max: float = LEASE_WAIT_SECONDS_MAX) -> None:
        """Hold the lease, or raise `Unavailable` when another process keeps it too long."""
        deadline = monotonic_seconds() + wait_seconds_max
        if not self.try_take():
            logger.warning("waits for the process that consumes as group %r to end", self.group)
        while not self.try_take():
            if monotonic_seconds() >= deadline:
                message = (
                    f"group {self.group!r} is already consumed by another process "
                    f"(waited {wait_seconds_max:g} s for {self._path})"
                )
                raise Unavailable(message)
            await asyncio.sleep(_LEASE_RETRY_SECONDS)

    def try_take(self) -> bool:
        """Take the lease if it is free; true when it is held afterwards."""
        if self._file is not None:
            return True
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def give_back(self) -> None:
        """Let another process consume as this group."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
