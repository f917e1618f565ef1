"""Topics that a log in use lacks, which only a person has made anew, by `keshikomi setup`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from connectors.kafka.admin import missing_topics
from ops.engines import topic_plans
from ops.settings import Settings
from streams.clock import monotonic_seconds
from streams.domain.errors import NotOurs

LOOK_SECONDS_MAX = 5.0
"""A broker may hear of a topic later than another one, which has just made it."""
LOOK_PAUSE_SECONDS = 0.25


async def lacking(settings: Settings) -> Sequence[str]:
    """The topics that Kafka lacks; on files all stand in one, and come and go with it."""
    if settings.kafka is None:
        return ()
    return await missing_topics(settings.kafka, (plan.name for plan in topic_plans(settings)))


async def must_lack_none(settings: Settings) -> None:
    """Raise `NotOurs` where a log that belongs to an installation lacks topics.

    Its record was written when all were there, so no first start is about to make them.
    """
    until = monotonic_seconds() + LOOK_SECONDS_MAX
    while names := await lacking(settings):
        if monotonic_seconds() >= until:
            raise NotOurs(
                f"the log at {settings.broker} is in use and lacks {', '.join(names)}: either this "
                "version is the first that has them, or they were deleted, with all that they "
                "held; `keshikomi setup` makes them, empty"
            )
        await asyncio.sleep(LOOK_PAUSE_SECONDS)


def told_of(names: Sequence[str]) -> str:
    """What it means that these are made in a log that is in use."""
    return (
        f"warning: the log is in use and lacked {', '.join(names)}, made empty now. Where a new "
        "version brings them, that is right; where they were deleted, what they held is lost, as "
        "open invoices are with their changelog"
    )
