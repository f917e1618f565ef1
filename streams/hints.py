"""What processes tell each other and may lose: that history grew, and how endpoints stand.

Nothing is decided by a hint: whoever gets none looks for himself, a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from streams.domain.ids import EndpointId

Heard = Callable[[frozenset[str] | None], None]
"""Told of which ids history has something new; None: it may be any."""


class Signals(Protocol):
    """The live feed: from the process that stores history to those where somebody waits for it."""

    def publish(self, subjects: Collection[str]) -> None:
        """Say of which ids something new is stored. It never waits and never raises."""
        ...

    def listen(self, heard: Heard) -> None:
        """Call `heard` in the running loop for what any process publishes, until `close`.

        It may be called for what did not change, and after a gap it is called with None.
        """
        ...

    @property
    def is_live(self) -> bool:
        """Whether what is published is heard here, as far as can be told: then looking is rarer."""
        ...

    async def close(self) -> None:
        """Stop listening, and say what is still to be said if that is quick."""
        ...


class Standings(Protocol):
    """How endpoints answered of late, for the process that sends to them next."""

    def put(self, endpoint_id: EndpointId, standing: str) -> None:
        """Say how an endpoint stands after an attempt. It never waits and never raises."""
        ...

    async def get(self, endpoint_ids: Collection[EndpointId]) -> dict[EndpointId, str]:
        """The standings that are known, within a bound of time; it never raises."""
        ...

    async def close(self) -> None:
        """Write what is still to be written if that is quick."""
        ...
