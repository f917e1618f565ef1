"""A connection to a node of Cassandra that lets requests wait until its socket takes more."""

from __future__ import annotations

from cassandra.io.libevreactor import (  # type: ignore[import-untyped]  # it has no type hints
    LibevConnection,
)


class QueueingConnection(LibevConnection):  # type: ignore[misc]  # it has no type hints
    """Takes a request while the socket is full, where the driver's own calls it overloaded.

    One row as large as the log allows fills the socket for a moment, and whatever else is asked
    in that moment would fail though the node is well. What waits here is bounded by
    `slots.IN_FLIGHT_MAX`, and each request by its own time limit.
    """

    @property
    def _socket_writable(self) -> bool:
        return True

    @_socket_writable.setter
    def _socket_writable(self, _: bool) -> None:
        """What the driver found out; it asks only whether to refuse a request."""
