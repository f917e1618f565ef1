"""What a load cost a peer: CPU of its server and of what it stands on, and the server's memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadtests.processes import Usage, tree, usage

Uses = Mapping[str, Usage]


def uses(processes: Mapping[str, int]) -> Uses:
    """What each process and all below it have used until now."""
    return {name: _with_children(pid) for name, pid in processes.items()}


def _with_children(pid: int) -> Usage:
    found = [each for each in map(usage, tree(pid).values()) if each is not None]
    return Usage(
        cpu_seconds=sum(each.cpu_seconds for each in found),
        memory_mb=sum(each.memory_mb for each in found),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a load cost; seconds of CPU, and MB at its end."""

    server_seconds: float
    below_seconds: float
    server_mb: float

    @classmethod
    def between(cls, before: Uses, after: Uses) -> Used:
        """The difference of two looks; of a process that is new, all that it has used."""
        seconds = {
            name: use.cpu_seconds - (before[name].cpu_seconds if name in before else 0)
            for name, use in after.items()
        }
        server = seconds.pop("server", 0.0)
        return cls(
            server_seconds=server,
            below_seconds=sum(seconds.values()),
            server_mb=after["server"].memory_mb if "server" in after else 0.0,
        )
