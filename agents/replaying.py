"""Replays at work beside the archiving step, which has both history and the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from agents.replay_course import Course
from agents.step import record
from streams.clock import Clock, monotonic_seconds
from streams.domain.errors import Unavailable
from streams.domain.ids import MerchantId, ReplayId
from streams.domain.replay import ReplayStatus
from streams.ports import History, Place, Record
from streams.replays import ReplayRow, ReplayTaken
from streams.topics import HISTORY

LOOK_SECONDS = 1.0
"""How soon a new replay is noticed."""
REST_SECONDS_MIN = 0.05
REST_SECONDS_MAX = 5.0
"""Who cannot go on, as while the endpoint is down, looks again after so long; doubled each time."""

logger = logging.getLogger(__name__)

Publish = Callable[[Sequence[Record]], Awaitable[Sequence[Place]]]
IsOurs = Callable[[MerchantId], bool]


@dataclass(slots=True)
class _Work:
    """A replay of ours, and the place in the log where we took it."""

    merchant_id: MerchantId
    replay_id: ReplayId
    taken: str = ""
    course: Course | None = None
    rest_seconds: float = REST_SECONDS_MIN
    look_at: float = 0.0


class Replaying:
    """Goes on with every running replay of the merchants that are ours, a portion at a time.

    A replay is taken through the log: once history names that place, it holds all that was said of
    the replay before, so nothing is sent twice after a crash. Where another process takes it, as
    when partitions move, ours lets go.
    """

    def __init__(
        self,
        *,
        history: History,
        publish: Publish,
        is_ours: IsOurs,
        clock: Clock,
        monotonic: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self._history, self._publish, self._is_ours = history, publish, is_ours
        self._clock, self._monotonic = clock, monotonic
        self._works: dict[ReplayId, _Work] = {}

    async def run(self) -> None:
        """Work until cancelled; engines that are away are waited for."""
        while True:
            try:
                seconds = await self.turn()
            except Unavailable as error:
                logger.warning("replays wait for an engine: %s", error)
                seconds = LOOK_SECONDS
            await asyncio.sleep(seconds)

    async def turn(self) -> float:
        """Let each replay that can go on do so once; returns the seconds until the next turn."""
        running = await self._history.running_replays()
        ours = {replay_id: merchant for merchant, replay_id in running if self._is_ours(merchant)}
        self._works = {
            replay_id: self._works.get(replay_id) or _Work(merchant_id, replay_id)
            for replay_id, merchant_id in ours.items()
        }
        for work in list(self._works.values()):
            if work.look_at <= self._monotonic():
                has_moved = await self._go_on(work)
                work.rest_seconds = (
                    REST_SECONDS_MIN if has_moved else min(work.rest_seconds * 2, REST_SECONDS_MAX)
                )
                work.look_at = self._monotonic() + (0.0 if has_moved else work.rest_seconds)
        waits = [work.look_at - self._monotonic() for work in self._works.values()]
        return max(0.0, min([LOOK_SECONDS, *waits]))

    async def _go_on(self, work: _Work) -> bool:
        row = await self._history.replay(work.merchant_id, work.replay_id)
        if row is None or row.status is not ReplayStatus.RUNNING:
            return False
        if not work.taken:
            await self._take(work)
            return False
        if row.taken != work.taken:
            if row.taken > work.taken:
                # Another took it later. If it is ours all the same, it is taken anew, in no hurry.
                work.taken, work.course = "", None
                work.rest_seconds = REST_SECONDS_MAX
            return False
        return await self._next(work, row)

    async def _take(self, work: _Work) -> None:
        taken = ReplayTaken(merchant_id=work.merchant_id, replay_id=work.replay_id)
        (place,) = await self._publish([record(HISTORY, work.merchant_id, taken)])
        work.taken = place.name

    async def _next(self, work: _Work, row: ReplayRow) -> bool:
        if work.course is None:
            course = Course(self._history, self._clock, row)
            await course.resume()
            work.course = course
        if work.course.is_over:
            return False  # history has yet to hear of it
        portion = await work.course.portion()
        if portion is None:
            return False
        await self._publish(work.course.records_of(portion))
        work.course.said(portion)
        return True
