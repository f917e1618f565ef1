"""The audit of an installation that is in use: its log, its history, and whether they fit."""

from __future__ import annotations

from datetime import datetime

from ops.audit import Report, audit
from ops.belonging import strangeness
from ops.engines import existing
from ops.installation import read_directory
from ops.settings import Settings
from ops.stalled import with_stalled
from streams.clock import system_clock


async def audited(settings: Settings, *, since: datetime | None = None) -> Report:
    """Add up the laws, of what changed since then; makes and alters nothing.

    Raises `NotStarted` where there is nothing to compare, and `Unavailable`.
    """
    async with existing(settings) as (log, history):
        known = (await read_directory(log.tail)).installation
        strange = await strangeness(history, log, known)
        look, partitions = log.positions, log.partitions()
        report = await audit(history, look, partitions, since=since, strangeness=strange)
        return await with_stalled(report, history, log, system_clock(), since=since)
