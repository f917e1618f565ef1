"""When a notification was durable is read from the log that it stands in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from connectors.log.sqlitelog import SqliteLog
from loadtests.log_times import notified_ms
from loadtests.shops import Shop
from ops.engines import setup
from ops.settings import Settings, read
from streams.clock import system_clock
from streams.codecs import encode
from streams.domain.ids import EndpointId
from streams.messages import EndpointRemoved
from streams.paging import PAGE_MAX
from streams.ports import Record
from streams.topics import NOTIFICATIONS


def a_shop(path: str) -> Shop:
    return Shop(path=path, port=1, began=datetime(2026, 11, 30, tzinfo=UTC))


async def a_log(folder: Path, shops: list[Shop], count: int) -> Settings:
    """A log in which each shop was told so often, with other records between."""
    settings = read({"KESHIKOMI_DATA": str(folder)}, {})
    setup(settings)
    log = SqliteLog(settings.log_path, on_failure=None)
    for shop in shops:
        removed = EndpointRemoved(
            merchant_id=shop.merchant_id, endpoint_id=EndpointId("ep_1"), at=shop.began
        )
        other = Record(
            topic=NOTIFICATIONS.name, key=shop.merchant_id.encode(), value=encode(removed)
        )
        await log.append([other, *(shop.next_record()[0] for _ in range(count))])
    log.close()
    return settings


async def test_each_notification_that_is_wanted_has_the_time_of_its_record(tmp_path: Path) -> None:
    shops = [a_shop(f"/ok/{number}") for number in range(5)]
    count = PAGE_MAX + 3
    began_ms = system_clock().timestamp() * 1_000
    settings = await a_log(tmp_path, shops, count)
    ended_ms = system_clock().timestamp() * 1_000
    wanted = {shop.id_of(number) for shop in shops for number in range(0, count, 2)}

    found = await notified_ms(settings, wanted)

    assert found.keys() == wanted
    assert int(began_ms) <= min(found.values()) <= max(found.values()) <= ended_ms
