"""Whose turn it is to migrate a keyspace: one process has it, and keeps it by saying so."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from socket import gethostname
from typing import Any

from cassandra import WriteTimeout  # type: ignore[import-untyped]  # the driver has no type hints

from streams.domain.errors import Unavailable

TURN_SECONDS_MAX = 120
"""Longer than any statement may take, so a turn that is renewed before each of them holds."""


class Turn:
    """A row of the table of migrations with the name of its owner, which goes by itself."""

    def __init__(self, session: Any) -> None:
        """Take a session that uses the keyspace; nobody's turn is changed."""
        self._session = session
        self._owner = f"{gethostname()} {os.getpid()} {secrets.token_hex(8)}"

    def take(self) -> bool:
        """Be the one who migrates, unless another is; the turn of a process that died ends."""
        told = "SELECT version FROM migrations WHERE version = 0"
        if self._session.execute(told).one() is not None:
            return False
        statement = (
            "INSERT INTO migrations (version, name) VALUES (0, %s) IF NOT EXISTS USING TTL %s"
        )
        try:
            return self._applied(statement, self._owner, TURN_SECONDS_MAX)
        except WriteTimeout:  # too many tried at once; if it is ours it goes by itself
            return False

    def keep(self) -> None:
        """Have it for as long again; raises `Unavailable` when it is ours no more."""
        statement = "UPDATE migrations USING TTL %s SET name = %s WHERE version = 0 IF name = %s"
        if not self._applied(statement, TURN_SECONDS_MAX, self._owner, self._owner):
            raise Unavailable("history: another process may be migrating now, so this one stops")

    def give_back(self) -> None:
        """Let others have it; another's stays."""
        with suppress(WriteTimeout):
            self._applied("DELETE FROM migrations WHERE version = 0 IF name = %s", self._owner)

    def _applied(self, statement: str, *values: object) -> bool:
        return bool(self._session.execute(statement, values).one()[0])
