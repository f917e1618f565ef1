"""One real server as a child process: started, awaited, frozen, killed, stopped."""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ops.stack.slack import late_timers
from streams.clock import monotonic_seconds
from streams.domain.errors import KeshikomiError

LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Where free ports are looked for: below those that the kernel hands to outgoing connections, so
that a server which was killed finds its port free when it comes back."""

PORT_TRIES_MAX = 100
USABLE_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 30.0
CONNECT_SECONDS_MAX = 2.0
PAUSE_SECONDS = 0.05
LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 16_384

# Its stdin is a pipe that only we hold: it ends when we do, however we end. A parent-death signal
# would not do, because the kernel sends that when the starting *thread* ends.
GUARD = 'read -r _; kill -s KILL -- "-$1"'


class NotUsable(KeshikomiError):
    """A server of the stack ended or stayed silent; the message holds the tail of its log."""

    code = "server_not_usable"


def free_port(host: str = LOOPBACK) -> int:
    """A port that nothing listens on now.

    Raises:
        NotUsable: many ports were tried and all are taken, or this machine lacks the address.
    """
    for _ in range(PORT_TRIES_MAX):
        port = secrets.choice(PORTS)
        with socket.socket() as tried, suppress(OSError):
            tried.bind((host, port))
            return port
    raise NotUsable(f"found no free port on {host}")


class Startable(Protocol):
    """A server or a cluster of servers."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def wait_usable(self) -> None: ...
    def stop(self) -> bool: ...
    def kill(self) -> None: ...


class Server(ABC):
    """A server whose folder keeps its data and `server.log`, whatever becomes of the process.

    Every method blocks and may be called from any thread, by one caller at a time. The process
    dies with the Python process that started it.
    """

    def __init__(self, name: str, directory: Path, *, host: str, port: int) -> None:
        self.name = name
        self.directory = directory
        self.host = host
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        """Everything that the server wrote on its standard streams, over all its lives."""
        return self.directory / "server.log"

    @property
    def is_running(self) -> bool:
        """Whether the process exists; a frozen one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the running server.

        Raises:
            NotUsable: it is not running.
        """
        if self._process is None or self._process.poll() is not None:
            raise NotUsable(f"{self.name} is not running")
        return self._process.pid

    @abstractmethod
    def prepare(self) -> Sequence[str]:
        """Write what the server reads, and return the command that runs it."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server does now what it is for; tried over and over while it starts."""

    def start(self) -> None:
        """Run it on the data it left; returns before it is usable, and `wait_usable` follows.

        Raises:
            NotUsable: it runs already, or something else listens on its port.
        """
        if self.is_running:
            raise NotUsable(f"{self.name} is running already")
        self._must_be_free()
        self.directory.mkdir(parents=True, exist_ok=True)
        command = self.prepare()
        with self.log.open("ab") as log, late_timers():
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C reaches us alone; we stop the servers in order
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "guard", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def wait_usable(self, seconds_max: float = USABLE_SECONDS_MAX) -> None:
        """Return once `answers` says yes.

        Raises:
            NotUsable: the process ended, or `seconds_max` seconds passed.
        """

        def answered() -> bool:
            if not self.is_running:
                status = self._process.returncode if self._process else None
                raise NotUsable(f"{self.name} ended with status {status}\n{self.log_tail()}")
            # Asked first, since the drivers log an error when they cannot connect.
            return self._accepts() and self.answers()

        if not eventually(answered, seconds_max):
            raise NotUsable(
                f"{self.name} at {self.address} was not usable within {seconds_max:.0f} s\n"
                f"{self.log_tail()}"
            )

    def stop(self) -> bool:
        """Ask it to end, kill it when it does not; true when it ended by itself or had ended."""
        if self._process is None:
            return True
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # a frozen process hears nothing else
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._dismiss_guard()
        return True

    def kill(self) -> None:
        """End it at once, as a power cut of its process alone (SIGKILL); its data stay."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._dismiss_guard()

    def freeze(self) -> None:
        """Stop its clock (SIGSTOP): connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def log_tail(self) -> str:
        """The last lines of its log, for error messages."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return f"({self.log} cannot be read)"
        return "\n".join([f"the end of {self.log}:", *lines[-LOG_TAIL_LINES:]])

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _dismiss_guard(self) -> None:
        # It must go before the kernel can give the process group of the server to someone else.
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.kill()
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None

    def _accepts(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), CONNECT_SECONDS_MAX).close()
        except OSError:
            return False
        return True

    def _must_be_free(self) -> None:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((self.host, self.port))
            except OSError as error:
                raise NotUsable(
                    f"{self.name} cannot listen on {self.address}: {error.strerror}"
                ) from error


def eventually(condition: Callable[[], bool], seconds_max: float) -> bool:
    """Try until it holds; false when it never did within `seconds_max` seconds."""
    deadline = monotonic_seconds() + seconds_max
    while not condition():
        if monotonic_seconds() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True
