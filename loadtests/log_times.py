"""When each notification was durable in the log, as the log itself dated its record.

What the product shows of a delivery has the time of the step that matched; the record's own time
is that of the append, when the settling step was done. It is read once the run is over, so that it
costs the run nothing and no webhook a byte.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime

import orjson

from ops.engines import open_log
from ops.settings import Settings
from streams.paging import records_until
from streams.topics import NOTIFICATIONS

KIND = b'"type":"notified"'


async def notified_ms(settings: Settings, wanted: Container[str]) -> dict[str, float]:
    """Milliseconds since 1970 by id, of those notifications that are wanted and still kept."""
    log = open_log(settings)
    found: dict[str, float] = {}
    try:
        for partition in range(log.partitions()[NOTIFICATIONS.name]):
            name, end = NOTIFICATIONS.name, await log.tail.end(NOTIFICATIONS.name, partition)
            async for each in records_until(log.tail, name, partition, first=0, end=end):
                for told in _told(each.value):
                    if told in wanted:
                        found.setdefault(told, _ms(each.recorded_at))
    finally:
        await log.close()
    return found


def _told(value: bytes | None) -> Iterator[str]:
    """The notifications of a record, if it is one that tells of any."""
    if value is not None and KIND in value:
        for told in orjson.loads(value).get("notifications") or ():
            yield told["notification_id"]


def _ms(moment: datetime) -> float:
    return moment.timestamp() * 1_000
