"""A connection of aiokafka that says that it is broken, on every event loop.

What is written to a closed transport is dropped by asyncio, and raises a bare `RuntimeError` on
uvloop, which aiokafka 0.14 expects nowhere: the task that keeps its metadata dies of it, and
everything that asks for the coordinator waits for ever, commits too. See its issue 1038.
"""

from __future__ import annotations

from typing import Any

from aiokafka import conn  # type: ignore[import-untyped]  # it ships no types
from aiokafka.errors import KafkaConnectionError  # type: ignore[import-untyped]  # no types


class Connection(conn.AIOKafkaConnection):  # type: ignore[misc]  # it ships no types
    """One connection to one broker."""

    def send(self, request: Any, expect_response: bool = True) -> Any:  # noqa: FBT001, FBT002  # aiokafka's own signature
        """Write a request and return the future of its answer.

        Raises:
            KafkaConnectionError: the connection is closed, by whichever side.
        """
        if self._writer is not None and self._writer.transport.is_closing():
            self.close(reason=conn.CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"the connection to {self.host}:{self.port} is broken")
        return super().send(request, expect_response)


# aiokafka's clients make their connections by this name, and have no argument for another.
conn.AIOKafkaConnection = Connection
