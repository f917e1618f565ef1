"""The law that what is due is tried: which deliveries wait though nothing keeps them from going."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from api.directory import Directory
from ops.audit import Law, Report
from ops.engines import Log
from streams.domain.delivery import Endpoint, EndpointStatus
from streams.domain.ids import EndpointId
from streams.ports import History

LATE = timedelta(hours=48)
"""Twice the longest wait between two attempts to an endpoint that is enabled."""
NAMED_MAX = 3
NAME = "what is due is tried"


async def with_stalled(
    report: Report, history: History, log: Log, now: datetime, *, since: datetime | None
) -> Report:
    """The report with this law; raises `Unavailable`.

    While the archiver is behind, nobody knows what was tried, and history is not asked.
    """
    if report.lag["archiving"]:
        return report.also(Law(name=NAME, holds=True, sentence="not judged: archiving is behind"))
    before, stalled = now - LATE, dict[EndpointId, int]()
    if report.counts.pending + report.counts.retrying:
        stalled = dict(await history.stalled(before, since))
    endpoints = await _endpoints(log, stalled) if stalled else {}
    return report.also(judge(stalled, endpoints, before))


async def _endpoints(
    log: Log, wanted: Mapping[EndpointId, int]
) -> Mapping[EndpointId, Endpoint | None]:
    directory = Directory(appender=log.appender, tail=log.tail)
    await directory.catch_up()
    found = {each: directory.endpoint(each) for each in wanted}
    return {each: row and directory.with_health(row) for each, row in found.items()}


def judge(
    stalled: Mapping[EndpointId, int],
    endpoints: Mapping[EndpointId, Endpoint | None],
    before: datetime,
) -> Law:
    """Only an endpoint that was enabled all the time since `before` has no excuse."""
    forgotten = {
        each: many for each, many in stalled.items() if _goes_on(endpoints.get(each), before)
    }
    hours = LATE // timedelta(hours=1)
    sentence = (
        f"deliveries due for {hours} hours at endpoints that are enabled, where nothing was tried "
        f"since: {sum(forgotten.values())}"
    )
    if forgotten:
        names = sorted(forgotten)
        more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
        sentence += f" ({', '.join(names[:NAMED_MAX])}{more}; does a worker run `notifying`?)"
    return Law(name=NAME, holds=not forgotten, sentence=sentence)


def _goes_on(endpoint: Endpoint | None, before: datetime) -> bool:
    if endpoint is None or endpoint.effective_status is not EndpointStatus.ENABLED:
        return False
    return endpoint.watched_from < before
