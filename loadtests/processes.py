"""Looks at processes through /proc: who belongs to whom, their memory, their CPU time."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MEGABYTE = 1_000_000
PART = re.compile(rb"(?:^|\0)KESHIKOMI_PROCESS=([^\0]+)")
UNNAMED = "process"
SAMPLE_SECONDS = 1.0
PARENT, USER, SYSTEM, RESIDENT = 1, 11, 12, 21
"""Places in /proc/PID/stat behind the name of the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process has used until now."""

    cpu_seconds: float
    memory_mb: float


def tree(root: int) -> dict[str, int]:
    """The process and all below it, by name; the product tells each part its name."""
    parents = {pid: int(fields[PARENT]) for pid, fields in _all()}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    named: dict[str, int] = {}
    for pid in found:
        name = "supervisor" if pid == root else part_name(pid)
        named[name if name not in named else f"{name} {pid}"] = pid
    return named


def part_name(pid: int) -> str:
    """The name that a process was given by its supervisor."""
    with suppress(OSError):
        match = PART.search((PROC / str(pid) / "environ").read_bytes())
        if match:
            return match[1].decode(errors="replace")
    return f"{UNNAMED} {pid}"


def faults_of_parts(before: Mapping[str, int], now: Mapping[str, int]) -> Iterator[str]:
    """Which named processes have ended meanwhile, also when another one has the name now."""
    for name, pid in before.items():
        if now.get(name) != pid and not name.startswith(UNNAMED):
            again = f"runs again as {now[name]}" if name in now else "is gone"
            yield f"{name} ended (process {pid}) and {again}: what it used is not in the figures"


def usage(pid: int) -> Usage | None:
    """What a process has used, or None when it is gone."""
    fields = _stat(pid)
    if not fields:
        return None
    return Usage(
        cpu_seconds=(int(fields[USER]) + int(fields[SYSTEM])) / TICKS_PER_SECOND,
        memory_mb=int(fields[RESIDENT]) * PAGE_BYTES / MEGABYTE,
    )


def _all() -> Iterator[tuple[int, list[str]]]:
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            yield int(entry.name), fields


def _stat(pid: int) -> list[str]:
    with suppress(OSError):
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return []


@dataclass(slots=True)
class Watch:
    """Samples some processes every second while the block runs."""

    pids: Mapping[str, int]
    memory_mb: dict[str, list[float]] = field(default_factory=dict)
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    looks: list[tuple[int, Mapping[str, Usage]]] = field(default_factory=list)
    """Every sample with its time in nanoseconds of the monotonic clock."""
    _before: dict[str, Usage] = field(default_factory=dict)
    _last: dict[str, Usage] = field(default_factory=dict)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._before = self._look()
        self._task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._look()
        for name, before in self._before.items():  # also of those that have ended meanwhile
            self.cpu_seconds[name] = round(self._last[name].cpu_seconds - before.cpu_seconds, 2)

    def memory_of(self, name: str) -> list[tuple[float, float]]:
        """The MB of a process at each look, with the seconds since the first one."""
        begin_ns = self.looks[0][0] if self.looks else 0
        return [
            ((at_ns - begin_ns) / 1e9, seen[name].memory_mb)
            for at_ns, seen in self.looks
            if name in seen
        ]

    @property
    def seconds(self) -> float:
        """How long it has watched."""
        return (self.looks[-1][0] - self.looks[0][0]) / 1e9 if self.looks else 0.0

    def _look(self) -> dict[str, Usage]:
        found = {name: usage(pid) for name, pid in self.pids.items()}
        seen = {name: each for name, each in found.items() if each is not None}
        self.looks.append((time.perf_counter_ns(), seen))
        self._last |= seen
        for name, each in seen.items():
            self.memory_mb.setdefault(name, []).append(round(each.memory_mb, 1))
        return seen

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            self._look()
