"""A circuit: after a failure an engine is left alone for a moment, then one call tries it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from streams.clock import monotonic_seconds

PAUSE_SECONDS = 1.0

Observe = Callable[[bool], None]
"""Told False when an engine is given up and True when it answers again."""

logger = logging.getLogger(__name__)


class Circuit:
    """Spares every call but one in each pause the wait for an engine that does not answer."""

    def __init__(
        self,
        name: str,
        *,
        observe: Observe | None = None,
        pause_seconds: float = PAUSE_SECONDS,
        seconds: Callable[[], float] = monotonic_seconds,
    ) -> None:
        """The name is for the log, which gets one line for each change."""
        self._name, self._observe = name, observe
        self._pause_seconds, self._seconds = pause_seconds, seconds
        self._tried_again_at: float | None = None

    @property
    def is_closed(self) -> bool:
        """Whether the engine answered when it was last asked."""
        return self._tried_again_at is None

    def admits(self) -> bool:
        """Whether a call may go through; one that tries the engine keeps the others out."""
        if self._tried_again_at is None:
            return True
        if self._seconds() < self._tried_again_at:
            return False
        # Set again at once: a try that is cancelled, and so tells nothing, is followed by another.
        self._tried_again_at = self._seconds() + self._pause_seconds
        return True

    def succeeded(self) -> None:
        """The engine answered."""
        if self._tried_again_at is None:
            return
        self._tried_again_at = None
        logger.info("%s answers again", self._name)
        if self._observe is not None:
            self._observe(True)  # noqa: FBT003  # the one thing it says

    def failed(self, error: BaseException) -> None:
        """The engine did not answer, or refused."""
        was_closed = self.is_closed
        self._tried_again_at = self._seconds() + self._pause_seconds
        if not was_closed:
            return
        logger.warning("%s is away: %s", self._name, str(error) or type(error).__name__)
        if self._observe is not None:
            self._observe(False)  # noqa: FBT003  # the one thing it says
