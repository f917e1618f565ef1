"""Answers that wait: for a status, for the feed to grow, with and without a live feed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api import waiting
from api.services import SERVICES
from api.waiting import Lookout
from tests.api_shop import Shop, a_shop
from tests.conftest import Eventually

NEVER_SECONDS = 3_600.0


def lookout_of(shop: Shop) -> Lookout:
    app = shop.api.client.server.app  # type: ignore[attr-defined]  # a TestServer has one
    lookout: Lookout = app[SERVICES].lookout
    return lookout


async def waited(shop: Shop, path: str, eventually: Eventually) -> asyncio.Task[Any]:
    """A call that has begun to wait."""
    lookout, asked = lookout_of(shop), asyncio.create_task(shop.get(path))
    await eventually(lambda: lookout.waits == 1 or asked.done())
    return asked


@pytest.fixture
def live_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks unless there is a signal."""
    monkeypatch.setattr(waiting, "LIVE_POLL_SECONDS", NEVER_SECONDS)


@pytest.mark.usefixtures("live_only")
async def test_a_feed_is_answered_as_soon_as_it_has_grown(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.invoice()
        asked = await waited(shop, "/v1/events?wait=30", eventually)
        await shop.notice()
        await shop.world.settle()
        page = await asked
        again = await waited(shop, f"/v1/events?wait=30&after={page['next']}", eventually)
        await shop.notice("n-2", kind="confirmed")
        await shop.world.settle()
        more = await again

    assert [each["type"] for each in page["data"]] == ["payment.preliminary", "invoice.paid"]
    assert [each["type"] for each in more["data"]] == ["payment.confirmed"]
    assert more["next"] != page["next"]


@pytest.mark.usefixtures("live_only")
async def test_a_feed_waits_for_the_types_that_were_asked_for(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with a_shop(tmp_path) as shop:
        await shop.invoice()
        path = "/v1/events?wait=30&types=payment.confirmed"
        asked = await waited(shop, path, eventually)
        await shop.notice()
        await shop.world.settle()
        assert not asked.done()
        await shop.notice("n-2", kind="confirmed")
        await shop.world.settle()
        page = await asked

    assert [each["type"] for each in page["data"]] == ["payment.confirmed"]


async def test_a_feed_that_has_events_is_answered_at_once_and_an_empty_one_at_the_end(
    tmp_path: Path,
) -> None:
    async with a_shop(tmp_path) as shop:
        empty = await shop.get("/v1/events?wait=1")
        await shop.invoice()
        await shop.notice()
        await shop.world.settle()
        full = await shop.get("/v1/events?wait=30")
        behind = await shop.get(f"/v1/events?wait=1&after={full['next']}")

    assert (empty["data"], empty["next"]) == ([], None)
    assert len(full["data"]) == 2
    assert (behind["data"], behind["next"]) == ([], full["next"])


async def test_nobody_waits_longer_than_half_a_minute(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        assert (await shop.api.get("/v1/events?wait=31")).status == 422


@pytest.mark.usefixtures("live_only")
async def test_a_command_is_answered_when_the_live_feed_tells_of_it(tmp_path: Path) -> None:
    async with a_shop(tmp_path) as shop:
        made = await shop.invoice()
        async with shop.world.worker():
            cancelled = await shop.api.post(f"/v1/invoices/{made}/cancel")

    assert cancelled.json["status"] == "cancelled"
