"""Doorbells between processes: whoever commits records wakes every reader at once."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".bell"
_RING = b"\0"
_RINGS_READ_AT_ONCE = 64

logger = logging.getLogger(__name__)


class Bells:
    """A directory of datagram sockets, one per reading process.

    A socket's address may have about a hundred bytes, so the sockets are named through the open
    directory: `/proc/self/fd/N/NAME` is short wherever the log lies.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._prefix = f"/proc/self/fd/{self._directory}/"
        self._sender = _datagram_socket()
        self._own: set[str] = set()

    def hang(self) -> Bell:
        """A new bell of this process; rings that come before the first look are kept."""
        name = f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        receiver = _datagram_socket()
        try:
            receiver.bind(self._prefix + name)
        except OSError:
            receiver.close()
            raise
        self._own.add(name)
        return Bell(self, name, receiver)

    def ring(self) -> None:
        """Wake every other process; take down the bells of those that are gone."""
        try:
            names = os.listdir(self._directory)  # noqa: PTH208  # an open directory has no path
        except OSError as error:
            # The records are durable all the same, and every reader looks by itself in a second.
            logger.warning("the bells of the log cannot be rung: %r", error)
            return
        for name in names:
            if name not in self._own and name.endswith(_SUFFIX):
                self._ring_one(name)

    def _ring_one(self, name: str) -> None:
        try:
            self._sender.sendto(_RING, self._prefix + name)
        except OSError as error:
            # A full bell is ringing already. Only a refused one has nobody behind it.
            if error.errno == errno.ECONNREFUSED:
                self._take_down(name)

    def _take_down(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._directory)

    def forget(self, name: str) -> None:
        """Remove a bell of this process."""
        self._own.discard(name)
        self._take_down(name)

    def close(self) -> None:
        """Give back the directory; bells that still hang go with their processes."""
        for name in tuple(self._own):
            self.forget(name)
        self._sender.close()
        os.close(self._directory)


class Bell:
    """One process's bell: a file descriptor that becomes readable when records were added."""

    def __init__(self, bells: Bells, name: str, receiver: socket.socket) -> None:
        self._bells, self._name, self._receiver = bells, name, receiver

    def fileno(self) -> int:
        """What to watch for reading."""
        return self._receiver.fileno()

    def answer(self) -> bool:
        """Take in the rings so far; true when there was one."""
        rang = False
        with suppress(BlockingIOError):
            for _ in range(_RINGS_READ_AT_ONCE):
                self._receiver.recv(1)
                rang = True
        return rang

    def close(self) -> None:
        """Take the bell down."""
        self._receiver.close()
        self._bells.forget(self._name)


def _datagram_socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)  # noqa: FBT003  # the name says it
    return made
