"""An endpoint that fails for days, through the API, the steps, the lanes and a real receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from agents.delivery import DeliveryLanes
from agents.flights import Outside
from agents.notifying import notifying
from agents.step import record
from connectors.sealing import Sealer
from connectors.targets import open_target
from streams.domain.delivery import Attempt
from streams.domain.health import FAILED_HOURS_MIN, PAUSED_AFTER
from streams.messages import AttemptMade
from streams.topics import NOTIFICATIONS
from tests.api_harness import MASTER_KEY
from tests.api_shop import Shop, a_shop
from tests.conftest import Eventually
from tests.functional.test_delivery_sender import receiver, sender
from tests.functional.test_delivery_world import ManualTime
from tests.pending_rows import PendingDicts

SICK, WELL = "/sick", "/well"


@dataclass
class Life:
    """A shop with two endpoints of one server, one of which can be made to fail."""

    shop: Shop
    eventually: Eventually
    codes: dict[str, int] = field(default_factory=lambda: {SICK: 503, WELL: 204})
    received: dict[str, list[Any]] = field(default_factory=lambda: {SICK: [], WELL: []})
    published: list[AttemptMade] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    notices: int = 0
    may_publish: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        if self.codes[request.path] == 204:
            self.received[request.path].append(orjson.loads(await request.read()))
        return web.Response(status=self.codes[request.path])

    async def publish(self, made: AttemptMade) -> None:
        await self.may_publish.wait()
        await self.shop.world.log.append([record(NOTIFICATIONS, made.merchant_id, made)])
        self.published.append(made)

    async def add(self, path: str, url: str) -> None:
        made = await self.shop.api.post("/v1/endpoints", {"url": url})
        assert made.status == 201, made.body
        self.ids[path] = made.json["id"]
        await self.shop.world.settle()

    async def see(self, path: str) -> Any:
        return await self.shop.get(f"/v1/endpoints/{self.ids[path]}")

    async def change(self, path: str, **changes: Any) -> Any:
        url = f"/v1/endpoints/{self.ids[path]}"
        changed = await self.shop.api.call("PATCH", url, json=changes)
        assert changed.status == 200, changed.body
        await self.shop.world.settle()
        return changed.json

    async def notify(self) -> None:
        """A notice for nobody's reference, of which both endpoints are told."""
        self.notices += 1
        await self.shop.notice(f"n-{self.notices}", reference=f"nobody-{self.notices}")
        await self.shop.world.settle()

    def tried(self, path: str) -> int:
        return sum(made.endpoint_id == self.ids[path] for made in self.published)

    async def be_gone(self) -> None:
        """A 410 that is in the log, and that the step has yet to read."""
        self.codes[SICK] = 410
        self.may_publish.clear()
        await self.notify()
        self.may_publish.set()
        await self.eventually(lambda: self.tried(SICK) == 1)

    async def fail(self) -> None:
        """One more first attempt at the sick endpoint."""
        before = self.tried(SICK)
        await self.notify()
        await self.eventually(lambda: self.tried(SICK) > before)
        await self.shop.world.settle()

    async def fail_for_days(self) -> None:
        clock = self.shop.world.clock
        for _ in range(FAILED_HOURS_MIN):
            await self.fail()
            clock.move(hours=1)
        clock.move(seconds=PAUSED_AFTER.total_seconds())
        await self.fail()

    def told(self, path: str) -> list[str]:
        return [body["type"] for body in self.received[path] if "endpoint" in body["type"]]


@asynccontextmanager
async def a_life(directory: Path, eventually: Eventually) -> AsyncIterator[Life]:
    async with a_shop(directory, allow_private_endpoints=True) as shop, sender() as webhooks:
        life, world = Life(shop, eventually), shop.world

        async def send(**asked: Any) -> Attempt:
            # A real attempt, at the time of the clock that the test moves.
            return replace(await webhooks.send(**asked), at=world.clock())

        time, pending = ManualTime(), PendingDicts()
        outside = Outside(
            send=send,
            open_target=lambda one: open_target(Sealer([MASTER_KEY]), one, world.clock()),
            publish=life.publish,
            fraction=lambda: 0.5,
            observe=lambda _delivery, _attempt: None,
            monotonic=lambda: world.clock().timestamp(),
            fail_stop=life.stops.append,
        )
        lanes = DeliveryLanes(
            outside,
            pending=pending,
            clock=world.clock,
            call_later=time.call_later,  # no retries: first attempts are what counts
        )
        world.steps[NOTIFICATIONS.name] = notifying(endpoints={}, pending=pending, lanes=lanes)
        life.may_publish.set()
        await lanes.start()
        async with receiver(life.answer) as url:
            for path in life.codes:
                await life.add(path, url.replace("/hook", path))
            yield life
            await lanes.stop()
        assert life.stops == []


async def test_an_endpoint_that_fails_for_days_is_paused_and_goes_on_when_it_is_enabled(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with a_life(tmp_path, eventually) as life:
        await life.fail_for_days()
        paused = await life.see(SICK)
        await life.notify()
        await eventually(lambda: "endpoint.disabled" in life.told(WELL))
        in_feed = [e["type"] for e in (await life.shop.get("/v1/events?types=endpoint.*"))["data"]]
        tried = life.tried(SICK)

        life.codes[SICK] = 204
        enabled = await life.change(SICK, status="enabled")
        await eventually(lambda: bool(life.received[SICK]))
        await life.shop.world.settle()
        shown = await life.see(SICK)

    assert (paused["status"], paused["status_reason"]) == ("paused", "failing")
    assert paused["failing_since"].startswith("2026-11-24T01:15:00")
    assert tried == FAILED_HOURS_MIN + 1
    assert sorted(life.told(WELL)) == sorted(in_feed) == ["endpoint.disabled", "endpoint.failing"]
    assert life.told(SICK) == []
    for seen in (enabled, shown):
        assert (seen["status"], seen["status_reason"]) == ("enabled", None)
        assert seen["failing_since"] is None


async def test_410_shows_why_and_leaves_what_a_person_changes_at_the_same_time(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with a_life(tmp_path, eventually) as life:
        await life.be_gone()
        url = f"/v1/endpoints/{life.ids[SICK]}"
        await life.shop.api.call("PATCH", url, json={"description": "the new one"})
        await life.shop.world.settle()
        gone = await life.see(SICK)
        async with life.shop.world.api() as another_process:
            another_process.key = life.shop.key
            elsewhere = (await another_process.get(url)).json
        enabled = await life.change(SICK, status="enabled")

    assert (gone["status"], gone["status_reason"]) == ("disabled", "gone")
    assert gone["description"] == "the new one"
    assert elsewhere == gone
    assert (enabled["status"], enabled["status_reason"]) == ("enabled", None)


async def test_another_url_is_not_judged_by_the_answers_of_the_old_one(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with a_life(tmp_path, eventually) as life:
        await life.be_gone()
        moved = (await life.see(WELL))["url"]
        await life.change(SICK, url=moved)
        await eventually(lambda: life.tried(SICK) == 2)
        await life.shop.world.settle()
        shown = await life.see(SICK)

    assert (shown["status"], shown["url"]) == ("enabled", moved)


async def test_a_paused_endpoint_that_moves_waits_for_its_enabling(
    tmp_path: Path, eventually: Eventually
) -> None:
    async with a_life(tmp_path, eventually) as life:
        await life.fail_for_days()
        moved = await life.change(SICK, url=(await life.see(WELL))["url"])
        by_person = await life.change(SICK, status="disabled")
        asked = await life.shop.api.call(
            "PATCH", f"/v1/endpoints/{life.ids[SICK]}", json={"status": "paused"}
        )

    assert (moved["status"], moved["status_reason"]) == ("paused", "failing")
    assert (by_person["status"], by_person["status_reason"]) == ("disabled", None)
    assert asked.status == 422
