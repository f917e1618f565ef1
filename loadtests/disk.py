"""How much disk a product and its engines take, looked at every few seconds."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

LOOK_SECONDS = 5.0
BLOCK_BYTES = 512
MEGABYTE = 1_000_000


def sizes_mb(folders: Sequence[Path]) -> dict[str, float]:
    """What is taken on disk by the parts of the folders: a file with its journals, or a folder.

    Blocks are counted, because Kafka makes its indexes larger than what is in them.
    """
    found: Counter[str] = Counter()
    for folder in folders:
        for within, _, names in os.walk(folder):
            for name in names:
                path = Path(within, name)
                with suppress(OSError):  # gone meanwhile
                    part = path.relative_to(folder).parts[0].partition(".")[0]
                    found[part] += path.stat().st_blocks * BLOCK_BYTES
    return {part: size / MEGABYTE for part, size in found.items()}


@dataclass(slots=True, kw_only=True)
class Disk:
    """The sizes of a run's files, by the second."""

    folders: Sequence[Path]
    looks: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)

    async def follow(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Look once."""
        self.looks.append((time.perf_counter_ns(), sizes_mb(self.folders)))

    def of(self, part: str) -> list[tuple[int, float]]:
        """The size of one part at each look."""
        return [(at_ns, seen.get(part, 0.0)) for at_ns, seen in self.looks]
