"""How the consumer waits for records: woken by this process, by another one, or by a slow timer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from connectors.log.settling import call_soon

if TYPE_CHECKING:
    from connectors.log.bells import Bell
    from connectors.log.elements import Element
    from connectors.log.heard import Heard
    from connectors.log.sqlitelog import SqliteLog

LOOK_ANYWAY_SECONDS = 1.0
"""A safety net only: a bell that was lost delays a record by this much at most."""


class Doorbell:
    """One event that is set when there may be something to read."""

    def __init__(self, log_file: SqliteLog, heard: Heard | None = None) -> None:
        """`heard` is for who wants the records of this process without a look into the file."""
        self._log_file = log_file
        self._rung = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell: Bell | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._listens = False
        self._heard = heard
        self._is_asked_for = True

    def hang(self) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        self._log_file.listen(self._heard_in_thread)
        self._bell = self._log_file.hang_bell()
        self._listen()
        self._look_anyway()

    def take_down(self) -> None:
        """Stop listening."""
        if self._loop is None or self._bell is None:
            return
        self._log_file.ignore(self._heard_in_thread)
        self._ignore()
        self._bell.close()
        self._bell = None
        if self._timer is not None:
            self._timer.cancel()
        self._rung.set()

    def ring(self) -> None:
        """Wake the waiter, who must look into the file; in the loop's own thread."""
        self._is_asked_for = True
        self._rung.set()

    def quiet(self) -> Sequence[Element] | None:
        """Whoever looks now sees everything that rang before.

        What was committed since the last time, if only this process rang; None when only the file
        says what there is.
        """
        self._rung.clear()
        if not self._listens and self._bell is not None:
            self._bell.answer()
            self._listen()
        heard = None if self._heard is None else self._heard.take()
        is_asked_for, self._is_asked_for = self._is_asked_for, False
        return None if is_asked_for else heard

    async def wait(self) -> None:
        """Wait for the next ring, or return at once when there was one since `quiet`."""
        await self._rung.wait()

    def _heard_in_thread(self, batch: Sequence[Element]) -> None:
        if self._heard is not None:
            self._heard.add(batch)
        if self._loop is not None and not self._rung.is_set():
            call_soon(self._loop, self._rung.set)

    def _listen(self) -> None:
        if self._loop is not None and self._bell is not None:
            self._loop.add_reader(self._bell.fileno(), self._heard_from_outside)
            self._listens = True

    def _ignore(self) -> None:
        if self._listens and self._loop is not None and self._bell is not None:
            self._loop.remove_reader(self._bell.fileno())
        self._listens = False

    def _heard_from_outside(self) -> None:
        # One ring is enough until somebody looks: thousands may follow in that time.
        self._ignore()
        self.ring()

    def _look_anyway(self) -> None:
        if self._loop is not None:
            self.ring()
            self._timer = self._loop.call_later(LOOK_ANYWAY_SECONDS, self._look_anyway)
