"""The notices of the last moments, by id: whether a channel has just said the same."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable

from streams.clock import monotonic_seconds
from streams.domain.errors import Unavailable
from streams.domain.ids import NoticeId
from streams.ports import History

RECENT_MAX = 20_000
"""A minute at 300/s, more than history lags behind: what is older, history knows."""
HISTORY_SECONDS_MAX = 0.25
"""Intake does not depend on history: what it does not say in time is taken as new."""
HISTORY_REST_SECONDS = 1.0
"""After history did not answer it is left alone for this long: a channel does not wait."""


class Recent:
    """A bounded memory of notice ids; the oldest goes first."""

    def __init__(
        self, size_max: int = RECENT_MAX, *, seconds: Callable[[], float] = monotonic_seconds
    ) -> None:
        self._ids: OrderedDict[NoticeId, None] = OrderedDict()
        self._size_max, self._seconds = size_max, seconds
        self._ask_again_at = -math.inf

    def __contains__(self, notice_id: NoticeId) -> bool:
        return notice_id in self._ids

    def add(self, notice_id: NoticeId) -> bool:
        """Remember a notice that is durable now; true when it was not remembered before.

        Of equal notices at once, each of which asked before any was durable, the first to be
        durable is told so, and only that one. One whose append failed has reserved nothing.
        """
        is_new = notice_id not in self._ids
        self._ids[notice_id] = None
        self._ids.move_to_end(notice_id)
        if len(self._ids) > self._size_max:
            self._ids.popitem(last=False)
        return is_new

    async def was_heard(self, notice_id: NoticeId, history: History) -> bool:
        """Whether the notice was heard before, as far as can be told without delay."""
        if notice_id in self._ids:
            return True
        if self._seconds() < self._ask_again_at:
            return False
        try:
            async with asyncio.timeout(HISTORY_SECONDS_MAX):
                return await history.has_notice(notice_id)
        except (Unavailable, TimeoutError):
            self._ask_again_at = self._seconds() + HISTORY_REST_SECONDS
            return False
