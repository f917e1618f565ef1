"""The live feed between the processes of one machine: a bell in each that listens."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

from connectors.log.bells import Bell, Bells
from streams.hints import Heard


class BellSignals:
    """A ring says that something is new and not what: a look at one file is quick."""

    def __init__(self, directory: Path, *, reaches_all: bool = True) -> None:
        """Take the directory of the bells, which is made.

        `reaches_all`: history cannot be stored from another machine, where no bell of ours is
        rung. Raises `OSError` when the directory cannot be made.
        """
        self._bells: Bells | None = Bells(directory)
        self._reaches_all = reaches_all
        self._bell: Bell | None = None
        self._listeners: list[Heard] = []

    @property
    def is_live(self) -> bool:
        """Whether a bell hangs here and whoever stores history can ring it."""
        return self._reaches_all and self._bell is not None

    def publish(self, subjects: Collection[str]) -> None:
        """Ring in every process that listens, this one included."""
        if subjects and self._bells is not None:
            self._bells.ring()
            self._tell()

    def listen(self, heard: Heard) -> None:
        """Call `heard` with None at each ring; several rings may be told once."""
        self._listeners.append(heard)
        if self._bell is None and self._bells is not None:
            self._bell = self._bells.hang()
            asyncio.get_running_loop().add_reader(self._bell.fileno(), self._rung)

    def _rung(self) -> None:
        if self._bell is not None and self._bell.answer():
            self._tell()

    def _tell(self) -> None:
        for heard in self._listeners:
            heard(None)

    async def close(self) -> None:
        """Take the bell down; nothing is said or heard from now on."""
        self._listeners.clear()
        if self._bell is not None:
            asyncio.get_running_loop().remove_reader(self._bell.fileno())
            self._bell.close()
            self._bell = None
        if self._bells is not None:
            self._bells.close()
            self._bells = None
