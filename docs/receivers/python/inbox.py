"""Keeps each webhook once, durably, before it is answered, and works on it afterwards.

Files make the example complete without a database. In a shop it is one table with `webhook_id` as
its primary key: `INSERT ... ON CONFLICT DO NOTHING` is `keep`, and rows that are not done are work.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

log = logging.getLogger("inbox")

Work = Callable[[str, bytes], None]
"""Takes an id and a body; it may raise, and is then called again, so it must bear repetition."""

RETRY_SECONDS = 5.0


class Inbox:
    """A directory: `ID.json` is a webhook that was taken, `ID.done` one that was worked on."""

    def __init__(self, directory: Path, work: Work) -> None:
        self._directory, self._work = directory, work
        self._waiting: SimpleQueue[str] = SimpleQueue()
        directory.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Begin with what an earlier process left undone."""
        for path in sorted(self._directory.glob("*.json")):
            if not path.with_suffix(".done").exists():
                self._waiting.put(path.stem)
        threading.Thread(target=self._run, name="inbox", daemon=True).start()

    def keep(self, webhook_id: str, body: bytes) -> bool:
        """Keep a verified webhook; False when it was here before. Once it returns, answer 2xx."""
        with tempfile.NamedTemporaryFile(dir=self._directory) as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
            try:
                # Linking is the decision: of two requests at the same moment one succeeds.
                os.link(file.name, self._directory / f"{webhook_id}.json")
            except FileExistsError:
                return False
        self._sync()
        self._waiting.put(webhook_id)
        return True

    def _sync(self) -> None:
        place = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)

    def _run(self) -> None:
        while True:
            webhook_id = self._waiting.get()
            try:
                self._work(webhook_id, (self._directory / f"{webhook_id}.json").read_bytes())
            except Exception:
                log.exception("%s was not worked on and is tried again", webhook_id)
                again = threading.Timer(RETRY_SECONDS, self._waiting.put, (webhook_id,))
                again.daemon = True
                again.start()
            else:
                (self._directory / f"{webhook_id}.done").touch()
