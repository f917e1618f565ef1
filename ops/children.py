"""One child process: started, awaited until it is ready, told to end, killed when it does not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

READY_BYTES_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run, and under which name."""

    name: str
    command: tuple[str, ...]


class Child:
    """A running process, as one event loop sees it; `ready` and `ended` are awaited."""

    def __init__(
        self,
        spec: ChildSpec,
        *,
        environment: Mapping[str, str],
        ready_variable: str,
        kept: Sequence[int] = (),
    ) -> None:
        """Start it. It inherits stderr, so that a line of its log costs us nothing.

        `kept` are descriptors that stay open in it. It gets a process group of its own: Ctrl-C
        must reach the supervisor alone, or all parts would end at once and in no order.
        """
        self.name = spec.name
        self.ready: asyncio.Event = asyncio.Event()
        self.ended: asyncio.Event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        try:
            self._process = subprocess.Popen(
                spec.command,
                env={**environment, ready_variable: str(write_end)},
                pass_fds=(write_end, *kept),
                stdin=subprocess.DEVNULL,
                process_group=0,
            )
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        self._ready_pipe: int | None = read_end
        self._handle = os.pidfd_open(self._process.pid)
        self._loop.add_reader(read_end, self._heard)
        self._loop.add_reader(self._handle, self._died)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it, and not itself."""
        code = self._process.returncode
        return code is not None and code < 0

    @property
    def ending(self) -> str:
        """How it ended, for the log."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with status {code}"

    def _heard(self) -> None:
        # A process that outlives the child may hold the other end, with nothing to read here.
        with suppress(BlockingIOError):
            if self._ready_pipe is not None and os.read(self._ready_pipe, READY_BYTES_MAX):
                self.ready.set()
        self._close_pipe()

    def _close_pipe(self) -> None:
        if self._ready_pipe is not None:
            self._loop.remove_reader(self._ready_pipe)
            os.close(self._ready_pipe)
            self._ready_pipe = None

    def _died(self) -> None:
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        self._process.wait()
        self._heard()  # it may have said so with its last breath
        self.ended.set()

    async def stop(self, seconds_max: float) -> bool:
        """Ask it to end, then kill it; true when it ended by itself."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.ended.wait(), seconds_max)
        except TimeoutError:
            self.kill()
            await self.ended.wait()
            return False
        return True

    def kill(self) -> None:
        """End it at once, with whatever it started in its own process group."""
        if not self.ended.is_set():
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self.ended.is_set():
            self._process.send_signal(number)
